-- Capture by trigger: whoever changes a user, an organization, a member or an invitation, the event row
-- commits with the change. Rows are read as jsonb, so that columns which only some plugins add may be absent.

-- The body of a user.sync event, as it stands now.
CREATE FUNCTION watchword.user_data(p_user jsonb) RETURNS json
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
  SELECT json_build_object(
    'userId',         p_user ->> 'id',
    'email',          p_user ->> 'email',
    'phone',          p_user ->> 'phoneNumber',
    'name',           p_user ->> 'name',
    'emailVerified',  coalesce((p_user ->> 'emailVerified')::boolean, false),
    'isAnonymous',    coalesce((p_user ->> 'isAnonymous')::boolean, false),
    'isActive',       NOT coalesce((p_user ->> 'banned')::boolean, false),
    'roles',          to_json(string_to_array(replace(coalesce(nullif(p_user ->> 'role', ''), 'user'), ' ', ''), ',')),
    'organizationId', coalesce((SELECT m."organizationId" FROM member m WHERE m."userId" = p_user ->> 'id'
                                ORDER BY m."createdAt", m.id LIMIT 1), 'org_default'))
$$;

CREATE FUNCTION watchword.capture_user() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    PERFORM watchword.append_change('user.sync', 'user.created', 'user', NEW.id,
                                    watchword.user_data(to_jsonb(NEW)), false);
    PERFORM watchword.append_auth_event('registered', NEW.id, NEW.email, NEW.name);
  ELSIF TG_OP = 'DELETE' THEN
    PERFORM watchword.append_change('user.sync', 'user.deleted', 'user', OLD.id,
                                    watchword.user_data(to_jsonb(OLD)), true);
  ELSIF NEW IS DISTINCT FROM OLD THEN
    PERFORM watchword.append_change('user.sync', 'user.updated', 'user', NEW.id, watchword.user_data(to_jsonb(NEW)));
  END IF;
  RETURN NULL;
END $$;

-- A membership can change a user's first organization, which user.sync carries.
CREATE FUNCTION watchword.capture_user_of_member(p_user_id text) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  v_user jsonb;
BEGIN
  SELECT to_jsonb(u) INTO v_user FROM "user" u WHERE u.id = p_user_id;
  IF FOUND THEN   -- not in the middle of the user's own deletion
    PERFORM watchword.append_change('user.sync', 'user.updated', 'user', p_user_id, watchword.user_data(v_user));
  END IF;
END $$;

CREATE FUNCTION watchword.member_data(p_member jsonb) RETURNS json LANGUAGE sql IMMUTABLE AS $$
  SELECT json_build_object('memberId', p_member ->> 'id', 'organizationId', p_member ->> 'organizationId',
                           'userId', p_member ->> 'userId',
                           'roles', to_json(string_to_array(replace(p_member ->> 'role', ' ', ''), ',')))
$$;

CREATE FUNCTION watchword.capture_member() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    IF NOT EXISTS (SELECT 1 FROM member m WHERE m."userId" = NEW."userId" AND m.id <> NEW.id
                   AND (m."createdAt", m.id) < (NEW."createdAt", NEW.id)) THEN
      PERFORM watchword.capture_user_of_member(NEW."userId");
    END IF;
    PERFORM watchword.append_change('organizationMembership.created', 'organizationMembership.created',
      'organization', NEW."organizationId", watchword.member_data(to_jsonb(NEW)));
  ELSIF TG_OP = 'DELETE' THEN
    IF NOT EXISTS (SELECT 1 FROM member m WHERE m."userId" = OLD."userId"
                   AND (m."createdAt", m.id) < (OLD."createdAt", OLD.id)) THEN
      PERFORM watchword.capture_user_of_member(OLD."userId");
    END IF;
    PERFORM watchword.append_change('organizationMembership.deleted', 'organizationMembership.deleted',
      'organization', OLD."organizationId", watchword.member_data(to_jsonb(OLD)));
  ELSIF NEW IS DISTINCT FROM OLD THEN
    IF (NEW."userId", NEW."organizationId", NEW."createdAt")
       IS DISTINCT FROM (OLD."userId", OLD."organizationId", OLD."createdAt") THEN
      PERFORM watchword.capture_user_of_member(OLD."userId");
      IF NEW."userId" <> OLD."userId" THEN PERFORM watchword.capture_user_of_member(NEW."userId"); END IF;
    END IF;
    PERFORM watchword.append_change('organizationMembership.updated', 'organizationMembership.updated',
      'organization', NEW."organizationId", watchword.member_data(to_jsonb(NEW)));
    IF NEW.role <> OLD.role THEN
      PERFORM watchword.append_change('member.role.changed', 'member.role.changed',
        'organization', NEW."organizationId", watchword.member_data(to_jsonb(NEW)));
    END IF;
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION watchword.organization_data(p_organization jsonb) RETURNS json LANGUAGE sql IMMUTABLE AS $$
  SELECT json_build_object('organizationId', p_organization ->> 'id', 'name', p_organization ->> 'name',
                           'slug', p_organization ->> 'slug', 'logo', p_organization ->> 'logo',
                           'metadata', p_organization ->> 'metadata')
$$;

CREATE FUNCTION watchword.capture_organization() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF TG_OP = 'INSERT' THEN
    PERFORM watchword.append_change('organization.created', 'organization.created', 'organization', NEW.id,
                                    watchword.organization_data(to_jsonb(NEW)), false);
  ELSIF TG_OP = 'DELETE' THEN
    PERFORM watchword.append_change('organization.deleted', 'organization.deleted', 'organization', OLD.id,
                                    watchword.organization_data(to_jsonb(OLD)), true);
  ELSIF NEW IS DISTINCT FROM OLD THEN
    PERFORM watchword.append_change('organization.updated', 'organization.updated', 'organization', NEW.id,
                                    watchword.organization_data(to_jsonb(NEW)));
  END IF;
  RETURN NULL;
END $$;

CREATE FUNCTION watchword.invitation_data(p_invitation jsonb) RETURNS json LANGUAGE sql IMMUTABLE AS $$
  SELECT json_build_object('invitationId', p_invitation ->> 'id', 'organizationId', p_invitation ->> 'organizationId',
                           'email', p_invitation ->> 'email', 'role', p_invitation ->> 'role',
                           'teamId', p_invitation ->> 'teamId', 'status', p_invitation ->> 'status',
                           'inviterId', p_invitation ->> 'inviterId')
$$;

CREATE FUNCTION watchword.capture_invitation() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
  v_event text;
BEGIN
  IF TG_OP = 'INSERT' THEN
    v_event := 'invitation.created';
  ELSIF TG_OP = 'DELETE' THEN
    IF OLD.status = 'pending' THEN v_event := 'invitation.canceled'; END IF;
  ELSIF NEW.status <> OLD.status AND NEW.status IN ('accepted', 'rejected', 'canceled') THEN
    v_event := 'invitation.' || NEW.status;
  END IF;
  IF v_event IS NOT NULL THEN
    PERFORM watchword.append_change(v_event, v_event, 'organization',
      coalesce(NEW."organizationId", OLD."organizationId"),
      watchword.invitation_data(coalesce(to_jsonb(NEW), to_jsonb(OLD))));
  END IF;
  RETURN NULL;
END $$;

-- TRUNCATE fires no row triggers: take the rows out one by one first, so that it too leaves its events.
CREATE FUNCTION watchword.capture_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('DELETE FROM %I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME);
  RETURN NULL;
END $$;

DO $$
DECLARE
  v_table text;
BEGIN
  FOREACH v_table IN ARRAY ARRAY['user', 'organization', 'member', 'invitation'] LOOP
    EXECUTE format('CREATE TRIGGER watchword_capture AFTER INSERT OR UPDATE OR DELETE ON %I
                    FOR EACH ROW EXECUTE FUNCTION watchword.%I()', v_table, 'capture_' || v_table);
    EXECUTE format('CREATE TRIGGER watchword_capture_truncate BEFORE TRUNCATE ON %I
                    FOR EACH STATEMENT EXECUTE FUNCTION watchword.capture_truncate()', v_table);
  END LOOP;
END $$;
