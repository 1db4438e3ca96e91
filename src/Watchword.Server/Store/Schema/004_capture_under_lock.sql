-- What user.sync says of a user is gathered from two tables, which two transactions may change at once. It is read when
-- the key is locked: what the one that waited had read before is not true any more.

-- Drawing no version; whoever has it reads in its next statement what the one before left.
CREATE FUNCTION watchword.lock_entity(p_kind text, p_id text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM watchword.entity_version WHERE kind = p_kind AND id = p_id FOR UPDATE;
  IF NOT FOUND THEN   -- older than this installation
    INSERT INTO watchword.entity_version AS e (kind, id, version) VALUES (p_kind, p_id, nextval('watchword.outbox_position'))
    ON CONFLICT (kind, id) DO UPDATE SET version = e.version;
  END IF;
END $$;

-- The user as the table has it, which another trigger may have changed since the one that calls.
CREATE FUNCTION watchword.append_user(p_event text, p_id text, p_deleted boolean DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  v_user jsonb;
BEGIN
  SELECT to_jsonb(u) INTO v_user FROM "user" u WHERE u.id = p_id;
  IF FOUND THEN   -- not in the middle of the user's own deletion
    PERFORM watchword.append_change('user.sync', p_event, 'user', p_id, watchword.user_data(v_user), p_deleted);
  END IF;
END $$;

-- Whoever changes an id by hand ends one user and begins another: so do all that follow.
CREATE OR REPLACE FUNCTION watchword.capture_user() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND NEW.id <> OLD.id) THEN
    PERFORM watchword.append_change('user.sync', 'user.deleted', 'user', OLD.id,
                                    watchword.user_data(to_jsonb(OLD)), true);
  END IF;
  IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND NEW.id <> OLD.id) THEN
    PERFORM watchword.append_user('user.created', NEW.id, false);
  ELSIF TG_OP = 'UPDATE' AND NEW IS DISTINCT FROM OLD THEN
    PERFORM watchword.lock_entity('user', NEW.id);
    PERFORM watchword.append_user('user.updated', NEW.id);
  END IF;
  IF TG_OP = 'INSERT' THEN
    PERFORM watchword.append_auth_event('registered', NEW.id, NEW.email, NEW.name);
  END IF;
  RETURN NULL;
END $$;

-- Says so when a membership that begins or ends is the user's first, whose organization user.sync carries.
CREATE FUNCTION watchword.append_user_of_member(p_member jsonb) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM member m WHERE m."userId" = p_member ->> 'userId' AND m.id <> p_member ->> 'id'
                 AND (m."createdAt", m.id) < ((p_member ->> 'createdAt')::timestamptz, p_member ->> 'id')) THEN
    PERFORM watchword.append_user('user.updated', p_member ->> 'userId');
  END IF;
END $$;

-- Organizations are locked before users: transactions that each add many users to one organization do not meet in a circle.
CREATE OR REPLACE FUNCTION watchword.capture_member() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  v_ends   boolean := TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND
    (NEW.id, NEW."organizationId", NEW."userId") IS DISTINCT FROM (OLD.id, OLD."organizationId", OLD."userId"));
  v_begins boolean := TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND v_ends);
  v_old    jsonb   := to_jsonb(OLD);
  v_new    jsonb   := to_jsonb(NEW);
BEGIN
  IF NEW IS NOT DISTINCT FROM OLD THEN RETURN NULL; END IF;
  PERFORM watchword.lock_entity('organization', o) FROM unnest(ARRAY[v_old ->> 'organizationId', v_new ->> 'organizationId']) o
    WHERE o IS NOT NULL GROUP BY o ORDER BY o;
  PERFORM watchword.lock_entity('user', u) FROM unnest(ARRAY[v_old ->> 'userId', v_new ->> 'userId']) u
    WHERE u IS NOT NULL GROUP BY u ORDER BY u;
  IF v_ends THEN
    PERFORM watchword.append_user_of_member(v_old);
    PERFORM watchword.append_change('organizationMembership.deleted', 'organizationMembership.deleted',
      'organization', OLD."organizationId", watchword.member_data(v_old));
  END IF;
  IF v_begins THEN
    PERFORM watchword.append_user_of_member(v_new);
    PERFORM watchword.append_change('organizationMembership.created', 'organizationMembership.created',
      'organization', NEW."organizationId", watchword.member_data(v_new));
  END IF;
  IF v_ends OR v_begins THEN RETURN NULL; END IF;
  IF NEW."createdAt" <> OLD."createdAt" THEN
    PERFORM watchword.append_user('user.updated', NEW."userId");
  END IF;
  PERFORM watchword.append_change('organizationMembership.updated', 'organizationMembership.updated',
    'organization', NEW."organizationId", watchword.member_data(v_new));
  IF NEW.role <> OLD.role THEN
    PERFORM watchword.append_change('member.role.changed', 'member.role.changed',
      'organization', NEW."organizationId", watchword.member_data(v_new));
  END IF;
  RETURN NULL;
END $$;

DROP FUNCTION watchword.capture_user_of_member(text);

CREATE OR REPLACE FUNCTION watchword.capture_organization() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'DELETE' OR (TG_OP = 'UPDATE' AND NEW.id <> OLD.id) THEN
    PERFORM watchword.append_change('organization.deleted', 'organization.deleted', 'organization', OLD.id,
                                    watchword.organization_data(to_jsonb(OLD)), true);
  END IF;
  IF TG_OP = 'INSERT' OR (TG_OP = 'UPDATE' AND NEW.id <> OLD.id) THEN
    PERFORM watchword.append_change('organization.created', 'organization.created', 'organization', NEW.id,
                                    watchword.organization_data(to_jsonb(NEW)), false);
  ELSIF TG_OP = 'UPDATE' AND NEW IS DISTINCT FROM OLD THEN
    PERFORM watchword.append_change('organization.updated', 'organization.updated', 'organization', NEW.id,
                                    watchword.organization_data(to_jsonb(NEW)));
  END IF;
  RETURN NULL;
END $$;
