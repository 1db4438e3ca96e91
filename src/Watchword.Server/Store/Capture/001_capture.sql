-- Capture: triggers append the events of a change in its own transaction, whoever makes it. They run once a statement, on all
-- rows that it changed. Names in braces stand for the tables that this database has; see IdentityTables.
-- A body is made from jsonb, because some columns exist only with certain Better Auth plugins, and ids may be text or uuid.
-- The trigger functions run with the rights of their owner: whoever writes the tables needs no right on the outbox.

-- ── Users ──

CREATE OR REPLACE FUNCTION watchword.user_data(p_user jsonb, p_organization text) RETURNS json LANGUAGE sql STABLE AS $$
  SELECT json_build_object(
    'userId',         p_user ->> 'id',
    'email',          p_user ->> 'email',
    'phone',          p_user ->> 'phoneNumber',
    'name',           p_user ->> 'name',
    'emailVerified',  coalesce((p_user ->> 'emailVerified')::boolean, false),
    'isAnonymous',    coalesce((p_user ->> 'isAnonymous')::boolean, false),
    'isActive',       NOT coalesce((p_user ->> 'banned')::boolean, false),
    'roles',          CASE WHEN coalesce(nullif(p_user ->> 'role', ''), 'user') = 'user' THEN '["user"]'::json
                           ELSE to_json(string_to_array(replace(p_user ->> 'role', ' ', ''), ',')) END,
    'organizationId', coalesce(p_organization, 'org_default'))
$$;

-- The bodies of users as they are now. One combines the user's row with its oldest membership, and concurrent transactions may
-- change either: they are read from the tables, after the caller has locked the users. A user that is being deleted is not
-- there any more.
CREATE OR REPLACE FUNCTION watchword.user_bodies(p_ids text[]) RETURNS TABLE (id text, data json) LANGUAGE sql STABLE AS $$
  SELECT r.fields ->> 'id', watchword.user_data(r.fields, r.organization)
  FROM unnest(p_ids::{user.id:type}[]) AS i (id)
  CROSS JOIN LATERAL (
    SELECT to_jsonb(u) AS fields,
           (SELECT m."organizationId"::text FROM {member} m WHERE m."userId" = u.id ORDER BY m."createdAt", m.id LIMIT 1) AS organization
    FROM {user} u WHERE u.id = i.id OFFSET 0) r
$$;

-- Appends user.created for new users. They need no lock: until this transaction ends, the primary key holds back whoever else
-- creates them.
CREATE OR REPLACE FUNCTION watchword.append_created_users(p_ids text[]) RETURNS void LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  v_context jsonb := watchword.context();
BEGIN
  WITH stored AS (
    INSERT INTO watchword.outbox (position, id, stream, subject, key, payload, headers, occurred_at)
    SELECT b.position, b.event, 'identity-changes', 'user.sync', b.id, watchword.change_body('user.created', b.at, b.data, b.event, b.position), v_context, b.at
    FROM (SELECT u.id, u.data, nextval('watchword.outbox_position') AS position, t.at, watchword.uuid_v7(t.at) AS event
          FROM watchword.user_bodies(p_ids) u CROSS JOIN LATERAL (SELECT clock_timestamp() AS at, u.id OFFSET 0) t (at, of) OFFSET 0) b
    RETURNING key, position)
  INSERT INTO watchword.entity_version AS e (kind, id, version)
  SELECT 'user', key, position FROM stored
  ON CONFLICT (kind, id) DO UPDATE SET version = EXCLUDED.version, deleted_at = NULL;
  PERFORM watchword.notify_relay();
END $$;

-- Appends user.updated for users. Their versions are drawn as they are locked, in one order; see lock_entities.
CREATE OR REPLACE FUNCTION watchword.append_updated_users(p_ids text[]) RETURNS void LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  v_context jsonb  := watchword.context();
  v_ids     text[] := ARRAY(SELECT DISTINCT id COLLATE "C" FROM unnest(p_ids) AS ids (id) ORDER BY 1);
BEGIN
  INSERT INTO watchword.entity_version AS e (kind, id, version)
  SELECT 'user', i.id, nextval('watchword.outbox_position') FROM unnest(v_ids) AS i (id)
  ON CONFLICT (kind, id) DO UPDATE SET version = nextval('watchword.outbox_position');
  INSERT INTO watchword.outbox (position, id, stream, subject, key, payload, headers, occurred_at)
  SELECT b.version, b.event, 'identity-changes', 'user.sync', b.id, watchword.change_body('user.updated', b.at, b.data, b.event, b.version), v_context, b.at
  FROM (SELECT u.id, u.data, t.at, watchword.uuid_v7(t.at) AS event,
               (SELECT v.version FROM watchword.entity_version v WHERE v.kind = 'user' AND v.id = u.id) AS version
        FROM watchword.user_bodies(v_ids) u CROSS JOIN LATERAL (SELECT clock_timestamp() AS at, u.id OFFSET 0) t (at, of) OFFSET 0) b;
  PERFORM watchword.notify_relay();
END $$;

CREATE OR REPLACE FUNCTION watchword.capture_user() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  v_created text[];
  v_updated text[];
  v_deleted watchword.change[];
  v_context jsonb := watchword.context();
BEGIN
  IF TG_OP = 'INSERT' THEN
    SELECT array_agg(n.id::text) INTO v_created FROM new_rows n;
  ELSIF TG_OP = 'DELETE' THEN
    SELECT array_agg(('user', o.id::text, 'user.sync', 'user.deleted', watchword.user_data(to_jsonb(o), NULL))::watchword.change)
      INTO v_deleted FROM old_rows o;
  ELSE
    -- *<> compares the bytes: it knows no type without an equality. A changed id ends one user and begins another.
    SELECT array_agg(n.id::text) FILTER (WHERE o.id IS NULL),
           array_agg(n.id::text) FILTER (WHERE o.id IS NOT NULL AND n.id IS NOT NULL AND o.fields *<> n.fields),
           array_agg(('user', o.id::text, 'user.sync', 'user.deleted', watchword.user_data(to_jsonb(o.fields), NULL))::watchword.change ORDER BY o.id)
             FILTER (WHERE n.id IS NULL)
      INTO v_created, v_updated, v_deleted
      FROM (SELECT id, old_rows AS fields FROM old_rows) o
      FULL JOIN (SELECT id, new_rows AS fields FROM new_rows) n ON n.id = o.id;
  END IF;
  IF v_deleted IS NOT NULL THEN
    PERFORM watchword.lock_entities('user', ARRAY(SELECT key FROM unnest(v_deleted)));
    PERFORM watchword.append_changes(v_deleted, true);
  END IF;
  IF v_updated IS NOT NULL THEN
    PERFORM watchword.append_updated_users(v_updated);
  END IF;
  IF v_created IS NOT NULL THEN
    PERFORM watchword.append_created_users(v_created);
  END IF;
  IF TG_OP = 'INSERT' AND v_created IS NOT NULL THEN
    INSERT INTO watchword.outbox (position, id, stream, subject, key, payload, headers, occurred_at)
    SELECT nextval('watchword.outbox_position'), e.event, 'auth-events', 'auth.user.registered', e.id, watchword.auth_body('auth.user.registered',
      json_build_object('userId', e.id, 'email', e.email, 'name', e.name, 'timestamp', watchword.iso(e.at)), p.publisher, e.event, v_context ->> 'correlationId'), v_context, e.at
    FROM (SELECT n.id::text AS id, n.email, n.name, t.at, watchword.uuid_v7(t.at) AS event
          FROM new_rows n CROSS JOIN LATERAL (SELECT clock_timestamp() AS at, n.id OFFSET 0) t (at, of) OFFSET 0) e,
         (SELECT publisher FROM watchword.publisher) p;
  END IF;
  RETURN NULL;
END $$;

-- ── Members ──

CREATE OR REPLACE FUNCTION watchword.member_change(p_event text, p_member jsonb) RETURNS watchword.change LANGUAGE sql IMMUTABLE AS $$
  SELECT ('organization', p_member ->> 'organizationId', p_event, p_event, json_build_object(
    'memberId', p_member ->> 'id', 'organizationId', p_member ->> 'organizationId', 'userId', p_member ->> 'userId',
    'roles', to_json(string_to_array(replace(coalesce(p_member ->> 'role', ''), ' ', ''), ','))))::watchword.change
$$;

-- The users whose oldest membership begins or ends with these rows, or moves in time: their user.sync names its organization.
CREATE OR REPLACE FUNCTION watchword.users_of_members(p_members jsonb[]) RETURNS text[] LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
BEGIN
  RETURN (
    SELECT array_agg(DISTINCT p.member ->> 'userId')
    FROM unnest(p_members) AS p (member)
    WHERE EXISTS (SELECT 1 FROM {user} u WHERE u.id = (p.member ->> 'userId')::{user.id:type})   -- not while the user is being deleted
    AND NOT EXISTS (
      SELECT 1 FROM {member} m
      WHERE m."userId" = (p.member ->> 'userId')::{user.id:type} AND m.id::text <> p.member ->> 'id'
        AND (m."createdAt", m.id::text) < ((p.member ->> 'createdAt')::timestamptz, p.member ->> 'id')));
END $$;

CREATE OR REPLACE FUNCTION watchword.capture_member() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  v_old   jsonb[] := '{}';
  v_new   jsonb[] := '{}';
  v_moved jsonb[];     -- rows that begin, end, or move in time
  v_changes watchword.change[];
BEGIN
  IF TG_OP <> 'INSERT' THEN SELECT array_agg(to_jsonb(o)) INTO v_old FROM old_rows o; END IF;
  IF TG_OP <> 'DELETE' THEN SELECT array_agg(to_jsonb(n)) INTO v_new FROM new_rows n; END IF;
  -- A membership is a user in an organization: a row that changes either ends one and begins another.
  SELECT array_agg(e.change ORDER BY e.ord, e.nth), array_agg(e.member ORDER BY e.ord) FILTER (WHERE e.moves)
    INTO v_changes, v_moved
  FROM (SELECT coalesce(o.ord, n.ord) AS ord, o.member AS was, n.member AS becomes,
               (o.member ->> 'id', o.member ->> 'organizationId', o.member ->> 'userId') IS DISTINCT FROM (n.member ->> 'id', n.member ->> 'organizationId', n.member ->> 'userId') AS other
        FROM unnest(v_old) WITH ORDINALITY o (member, ord) FULL JOIN unnest(v_new) WITH ORDINALITY n (member, ord) ON n.member ->> 'id' = o.member ->> 'id'
        WHERE o.member IS DISTINCT FROM n.member) p
  CROSS JOIN LATERAL (VALUES
    (1, p.was, p.other AND p.was IS NOT NULL, 'organizationMembership.deleted'),
    (2, p.becomes,  p.other AND p.becomes IS NOT NULL,  'organizationMembership.created'),
    (3, p.becomes,  NOT p.other,                   'organizationMembership.updated'),
    (4, p.becomes,  NOT p.other AND p.becomes ->> 'role' IS DISTINCT FROM p.was ->> 'role', 'member.role.changed')) v (nth, member, happens, event)
  CROSS JOIN LATERAL (SELECT p.ord, v.nth, v.member, watchword.member_change(v.event, v.member) AS change,
                             v.nth < 3 OR (v.nth = 3 AND p.becomes ->> 'createdAt' IS DISTINCT FROM p.was ->> 'createdAt') AS moves) e
  WHERE v.happens;
  IF v_changes IS NULL THEN RETURN NULL; END IF;

  -- Organizations before users, here and everywhere, so that transactions over many members cannot deadlock.
  PERFORM watchword.lock_entities('organization', ARRAY(SELECT DISTINCT key FROM unnest(v_changes)));
  IF v_moved IS NOT NULL THEN
    PERFORM watchword.lock_entities('user', ARRAY(SELECT DISTINCT m ->> 'userId' FROM unnest(v_moved) m));
    PERFORM watchword.append_updated_users(watchword.users_of_members(v_moved));
  END IF;
  PERFORM watchword.append_changes(v_changes);
  RETURN NULL;
END $$;

-- ── Sessions ──

-- Sign-out, an administrator, a ban or a statement by hand: they all delete the session.
CREATE OR REPLACE FUNCTION watchword.capture_session() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
BEGIN
  INSERT INTO watchword.ended_session (session_id) SELECT o.id::text FROM old_rows o ORDER BY 1 ON CONFLICT (session_id) DO NOTHING;
  DELETE FROM watchword.refresh_token t USING old_rows o WHERE t.session_id = o.id::text;
  -- An expired session has ended by itself; its row is only tidied away. A session is no state of its user: no version rises,
  -- and so a logout waits for no other change of the user.
  PERFORM watchword.append_changes(array_agg((NULL, o.id_of_user, 'session.revoked', 'session.revoked', json_strip_nulls(json_build_object(
      'sessionId', o.fields ->> 'id', 'userId', o.id_of_user, 'ip', nullif(o.fields ->> 'ipAddress', ''), 'userAgent', nullif(o.fields ->> 'userAgent', ''))))::watchword.change ORDER BY o.fields ->> 'id'))
    FROM (SELECT to_jsonb(s) AS fields, s."userId"::text AS id_of_user FROM old_rows s WHERE s."expiresAt" > clock_timestamp() OFFSET 0) o;
  RETURN NULL;
END $$;

-- ── All other tables ──

-- How a row of such a table is published; without a subject it is not. A row whose identity changes ends one thing and begins
-- another; one whose state stays the same has not changed. The state can be secret: it is compared, and never published.
CREATE OR REPLACE FUNCTION watchword.fact(p_table text, p_row jsonb, OUT subject text, OUT key text, OUT identity text, OUT state text, OUT data jsonb)
LANGUAGE plpgsql STABLE AS $$
BEGIN
  CASE p_table
    WHEN 'organization' THEN
      subject := 'organization';
      key := p_row ->> 'id';
      data := jsonb_build_object('organizationId', p_row ->> 'id', 'name', p_row ->> 'name', 'slug', p_row ->> 'slug',
                                 'logo', p_row ->> 'logo', 'metadata', p_row ->> 'metadata');
    WHEN 'invitation' THEN
      subject := 'invitation';
      key := p_row ->> 'organizationId';
      state := p_row ->> 'status';
      data := jsonb_build_object('invitationId', p_row ->> 'id', 'organizationId', p_row ->> 'organizationId', 'email', p_row ->> 'email',
                                 'role', p_row ->> 'role', 'teamId', p_row ->> 'teamId', 'status', p_row ->> 'status', 'inviterId', p_row ->> 'inviterId');
    WHEN 'team' THEN
      subject := 'team';
      key := p_row ->> 'organizationId';
      data := jsonb_build_object('teamId', p_row ->> 'id', 'organizationId', p_row ->> 'organizationId', 'name', p_row ->> 'name');
    WHEN 'teamMember' THEN
      subject := 'teamMembership';
      key := p_row ->> 'userId';
      identity := p_row ->> 'teamId';
      data := jsonb_build_object('teamId', p_row ->> 'teamId', 'userId', p_row ->> 'userId');
    WHEN 'organizationRole' THEN
      subject := 'organizationRole';
      key := p_row ->> 'organizationId';
      data := jsonb_build_object('roleId', p_row ->> 'id', 'organizationId', p_row ->> 'organizationId',
                                 'role', p_row ->> 'role', 'permission', p_row ->> 'permission');
    WHEN 'account' THEN
      key := p_row ->> 'userId';
      IF p_row ->> 'providerId' <> 'credential' THEN
        subject := 'account';
        identity := concat_ws(' ', p_row ->> 'providerId', p_row ->> 'accountId');
        data := jsonb_build_object('accountId', p_row ->> 'id', 'userId', p_row ->> 'userId',
                                   'provider', p_row ->> 'providerId', 'providerAccountId', p_row ->> 'accountId');
      ELSIF p_row ->> 'password' IS NOT NULL THEN
        subject := 'credential';
        state := p_row ->> 'password';
        data := jsonb_build_object('userId', p_row ->> 'userId', 'credential', 'password');
      END IF;
    WHEN 'passkey' THEN
      subject := 'credential';
      key := p_row ->> 'userId';
      state := concat_ws(' ', p_row ->> 'credentialID', p_row ->> 'publicKey');
      data := jsonb_build_object('userId', p_row ->> 'userId', 'credential', 'passkey');
    WHEN 'twoFactor' THEN
      subject := 'credential';
      key := p_row ->> 'userId';
      state := p_row ->> 'secret';
      data := jsonb_build_object('userId', p_row ->> 'userId', 'credential', 'twoFactor');
    WHEN 'apikey' THEN
      subject := 'apiKey';
      key := coalesce(p_row ->> 'referenceId', p_row ->> 'userId');   -- older versions of the plugin have userId
      data := jsonb_build_object('apiKeyId', p_row ->> 'id', 'ownerId', key, 'name', p_row ->> 'name',
                                 'enabled', coalesce((p_row ->> 'enabled')::boolean, true),
                                 'expiresAt', watchword.iso((p_row ->> 'expiresAt')::timestamptz), 'permissions', p_row ->> 'permissions');
  END CASE;
  identity := concat_ws(' ', subject, key, identity);
  state := coalesce(state, data::text);
END $$;

-- One event of a row. Action: created, updated or deleted.
CREATE OR REPLACE FUNCTION watchword.event_of(p_subject text, p_action text, p_data jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE p_subject
    WHEN 'account'        THEN CASE p_action WHEN 'created' THEN 'account.linked' WHEN 'deleted' THEN 'account.unlinked' END
    WHEN 'credential'     THEN 'credential.changed'
    WHEN 'teamMembership' THEN CASE WHEN p_action <> 'updated' THEN 'teamMembership.' || p_action END
    WHEN 'invitation'     THEN CASE
      WHEN p_action = 'created' THEN 'invitation.created'
      WHEN p_action = 'deleted' THEN CASE WHEN p_data ->> 'status' = 'pending' THEN 'invitation.canceled' END
      WHEN p_data ->> 'status' IN ('accepted', 'rejected', 'canceled') THEN 'invitation.' || (p_data ->> 'status') END
    ELSE p_subject || '.' || p_action END
$$;

CREATE OR REPLACE FUNCTION watchword.capture_row() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  v_old     jsonb[] := '{}';
  v_new     jsonb[] := '{}';
  v_ended   watchword.change[];
  v_changed watchword.change[];
  v_begun   watchword.change[];
  -- Whose version a change of such a table raises.
  v_kind    text    := CASE WHEN TG_ARGV[0] IN ('organization', 'team', 'organizationRole', 'invitation') THEN 'organization'
                            WHEN TG_ARGV[0] = 'teamMember' THEN 'user' END;
BEGIN
  IF TG_OP <> 'INSERT' THEN SELECT array_agg(to_jsonb(o)) INTO v_old FROM old_rows o; END IF;
  IF TG_OP <> 'DELETE' THEN SELECT array_agg(to_jsonb(n)) INTO v_new FROM new_rows n; END IF;
  SELECT array_agg(c.change ORDER BY c.ord) FILTER (WHERE c.action = 'deleted'),
         array_agg(c.change ORDER BY c.ord) FILTER (WHERE c.action = 'updated'),
         array_agg(c.change ORDER BY c.ord) FILTER (WHERE c.action = 'created')
    INTO v_ended, v_changed, v_begun
  FROM (
    SELECT e.action, e.ord, (v_kind, e.key, e.event, e.event, CASE WHEN e.subject = 'credential'
             THEN e.data || jsonb_build_object('action', CASE e.action WHEN 'created' THEN 'added' WHEN 'deleted' THEN 'removed' ELSE 'changed' END)
             ELSE e.data END)::watchword.change AS change
    FROM (
      SELECT p.*, watchword.event_of(p.subject, p.action, p.data) AS event
      FROM (
        SELECT CASE WHEN n.identity IS NULL THEN 'deleted' WHEN o.identity IS NULL THEN 'created' ELSE 'updated' END AS action,
               coalesce(o.ord, n.ord) AS ord, coalesce(n.key, o.key) AS key, coalesce(n.subject, o.subject) AS subject, coalesce(n.data, o.data) AS data
        FROM (SELECT i.fields ->> 'id' AS id, i.ord, f.* FROM unnest(v_old) WITH ORDINALITY i (fields, ord), watchword.fact(TG_ARGV[0], i.fields) f WHERE f.subject IS NOT NULL) o
        FULL JOIN (SELECT i.fields ->> 'id' AS id, i.ord, f.* FROM unnest(v_new) WITH ORDINALITY i (fields, ord), watchword.fact(TG_ARGV[0], i.fields) f WHERE f.subject IS NOT NULL) n
          ON n.id = o.id AND n.identity = o.identity
        WHERE o.state IS DISTINCT FROM n.state OR o.identity IS DISTINCT FROM n.identity) p
      OFFSET 0) e
    WHERE e.event IS NOT NULL) c;
  IF v_ended IS NULL AND v_changed IS NULL AND v_begun IS NULL THEN RETURN NULL; END IF;

  IF v_kind IS NOT NULL THEN
    -- A new organization is held back by its primary key, as a new user is.
    PERFORM watchword.lock_entities(v_kind, ARRAY(
      SELECT DISTINCT key FROM unnest(v_ended || v_changed || CASE WHEN TG_ARGV[0] <> 'organization' THEN v_begun END)));
  END IF;
  PERFORM watchword.append_changes(v_ended, CASE WHEN TG_ARGV[0] = 'organization' THEN true END);
  PERFORM watchword.append_changes(v_changed);
  PERFORM watchword.append_changes(v_begun, CASE WHEN TG_ARGV[0] = 'organization' THEN false END);
  RETURN NULL;
END $$;

-- ── Triggers ──

-- TRUNCATE fires no row triggers and shows no rows, so this deletes them before it.
CREATE OR REPLACE FUNCTION watchword.capture_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('DELETE FROM %I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME);
  RETURN NULL;
END $$;

-- Makes the triggers of a table that it lacks.
CREATE OR REPLACE FUNCTION watchword.capture(p_table regclass, p_function text, p_argument text, p_operations text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_operation text;
BEGIN
  FOREACH v_operation IN ARRAY p_operations LOOP
    CONTINUE WHEN EXISTS (SELECT 1 FROM pg_trigger WHERE tgrelid = p_table AND tgname = 'watchword_capture_' || v_operation);
    EXECUTE format('CREATE TRIGGER %I AFTER %s ON %s %s FOR EACH STATEMENT EXECUTE FUNCTION watchword.%I(%L)',
      'watchword_capture_' || v_operation, v_operation, p_table,
      CASE v_operation WHEN 'insert' THEN 'REFERENCING NEW TABLE AS new_rows' WHEN 'delete' THEN 'REFERENCING OLD TABLE AS old_rows'
                       ELSE 'REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows' END, p_function, p_argument);
  END LOOP;
  IF NOT EXISTS (SELECT 1 FROM pg_trigger WHERE tgrelid = p_table AND tgname = 'watchword_capture_truncate') THEN
    EXECUTE format('CREATE TRIGGER watchword_capture_truncate BEFORE TRUNCATE ON %s FOR EACH STATEMENT EXECUTE FUNCTION watchword.capture_truncate()', p_table);
  END IF;
END $$;
