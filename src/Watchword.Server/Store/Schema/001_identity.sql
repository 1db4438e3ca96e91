-- The identity store: Better Auth's tables, the sessions' own tables, and the triggers that capture every change as an event.

-- ── Better Auth's tables ──
-- Same names, columns and value formats, so that Watchword can take over such a database, or share it with a running Better
-- Auth server. Existing tables are left as they are.

CREATE TABLE IF NOT EXISTS "user" (
  id text NOT NULL,
  name text NOT NULL,
  email text NOT NULL,
  "emailVerified" boolean NOT NULL,
  image text,
  "createdAt" timestamptz DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updatedAt" timestamptz DEFAULT CURRENT_TIMESTAMP NOT NULL,
  role text,
  banned boolean,
  "banReason" text,
  "banExpires" timestamptz,
  CONSTRAINT user_email_key UNIQUE (email),
  CONSTRAINT user_pkey PRIMARY KEY (id)
);

CREATE TABLE IF NOT EXISTS session (
  id text NOT NULL,
  "expiresAt" timestamptz NOT NULL,
  token text NOT NULL,
  "createdAt" timestamptz DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updatedAt" timestamptz NOT NULL,
  "ipAddress" text,
  "userAgent" text,
  "userId" text NOT NULL,
  "activeOrganizationId" text,
  "activeTeamId" text,
  "impersonatedBy" text,
  CONSTRAINT session_pkey PRIMARY KEY (id),
  CONSTRAINT session_token_key UNIQUE (token),
  CONSTRAINT "session_userId_fkey" FOREIGN KEY ("userId") REFERENCES "user"(id) ON DELETE CASCADE
);

CREATE TABLE IF NOT EXISTS account (
  id text NOT NULL,
  "accountId" text NOT NULL,
  "providerId" text NOT NULL,
  "userId" text NOT NULL,
  "accessToken" text,
  "refreshToken" text,
  "idToken" text,
  "accessTokenExpiresAt" timestamptz,
  "refreshTokenExpiresAt" timestamptz,
  scope text,
  password text,
  "createdAt" timestamptz DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updatedAt" timestamptz NOT NULL,
  CONSTRAINT account_pkey PRIMARY KEY (id),
  CONSTRAINT "account_userId_fkey" FOREIGN KEY ("userId") REFERENCES "user"(id) ON DELETE CASCADE
);

CREATE TABLE IF NOT EXISTS verification (
  id text NOT NULL,
  identifier text NOT NULL,
  value text NOT NULL,
  "expiresAt" timestamptz NOT NULL,
  "createdAt" timestamptz DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updatedAt" timestamptz DEFAULT CURRENT_TIMESTAMP NOT NULL,
  CONSTRAINT verification_pkey PRIMARY KEY (id)
);

CREATE TABLE IF NOT EXISTS organization (
  id text NOT NULL,
  name text NOT NULL,
  slug text NOT NULL,
  logo text,
  "createdAt" timestamptz NOT NULL,
  metadata text,
  CONSTRAINT organization_pkey PRIMARY KEY (id),
  CONSTRAINT organization_slug_key UNIQUE (slug)
);

CREATE TABLE IF NOT EXISTS member (
  id text NOT NULL,
  "organizationId" text NOT NULL,
  "userId" text NOT NULL,
  role text NOT NULL,
  "createdAt" timestamptz NOT NULL,
  CONSTRAINT member_pkey PRIMARY KEY (id),
  CONSTRAINT "member_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES organization(id) ON DELETE CASCADE,
  CONSTRAINT "member_userId_fkey" FOREIGN KEY ("userId") REFERENCES "user"(id) ON DELETE CASCADE
);

CREATE TABLE IF NOT EXISTS invitation (
  id text NOT NULL,
  "organizationId" text NOT NULL,
  email text NOT NULL,
  role text,
  "teamId" text,
  status text NOT NULL,
  "expiresAt" timestamptz NOT NULL,
  "createdAt" timestamptz DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "inviterId" text NOT NULL,
  CONSTRAINT invitation_pkey PRIMARY KEY (id),
  CONSTRAINT "invitation_inviterId_fkey" FOREIGN KEY ("inviterId") REFERENCES "user"(id) ON DELETE CASCADE,
  CONSTRAINT "invitation_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES organization(id) ON DELETE CASCADE
);

CREATE TABLE IF NOT EXISTS team (
  id text NOT NULL,
  name text NOT NULL,
  "memberCount" integer NOT NULL,
  "organizationId" text NOT NULL,
  "createdAt" timestamptz NOT NULL,
  "updatedAt" timestamptz,
  CONSTRAINT team_pkey PRIMARY KEY (id),
  CONSTRAINT "team_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES organization(id) ON DELETE CASCADE
);

CREATE TABLE IF NOT EXISTS "teamMember" (
  id text NOT NULL,
  "teamId" text NOT NULL,
  "userId" text NOT NULL,
  "membershipKey" text,
  "createdAt" timestamptz,
  CONSTRAINT "teamMember_membershipKey_key" UNIQUE ("membershipKey"),
  CONSTRAINT "teamMember_pkey" PRIMARY KEY (id),
  CONSTRAINT "teamMember_teamId_fkey" FOREIGN KEY ("teamId") REFERENCES team(id) ON DELETE CASCADE,
  CONSTRAINT "teamMember_userId_fkey" FOREIGN KEY ("userId") REFERENCES "user"(id) ON DELETE CASCADE
);

CREATE TABLE IF NOT EXISTS apikey (
  id text NOT NULL,
  "configId" text NOT NULL,
  name text,
  start text,
  "referenceId" text NOT NULL,
  prefix text,
  key text NOT NULL,
  "refillInterval" integer,
  "refillAmount" integer,
  "lastRefillAt" timestamptz,
  enabled boolean,
  "rateLimitEnabled" boolean,
  "rateLimitTimeWindow" integer,
  "rateLimitMax" integer,
  "requestCount" integer,
  remaining integer,
  "lastRequest" timestamptz,
  "expiresAt" timestamptz,
  "createdAt" timestamptz NOT NULL,
  "updatedAt" timestamptz NOT NULL,
  permissions text,
  metadata text,
  CONSTRAINT apikey_pkey PRIMARY KEY (id)
);

CREATE TABLE IF NOT EXISTS jwks (
  id text NOT NULL,
  "publicKey" text NOT NULL,
  "privateKey" text NOT NULL,
  "createdAt" timestamptz NOT NULL,
  "expiresAt" timestamptz,
  alg text,
  crv text,
  CONSTRAINT jwks_pkey PRIMARY KEY (id)
);

CREATE INDEX IF NOT EXISTS "account_userId_idx" ON account ("userId");
CREATE INDEX IF NOT EXISTS "apikey_configId_idx" ON apikey ("configId");
CREATE INDEX IF NOT EXISTS apikey_key_idx ON apikey (key);
CREATE INDEX IF NOT EXISTS "apikey_referenceId_idx" ON apikey ("referenceId");
CREATE INDEX IF NOT EXISTS invitation_email_idx ON invitation (email);
CREATE INDEX IF NOT EXISTS "invitation_organizationId_idx" ON invitation ("organizationId");
CREATE INDEX IF NOT EXISTS "member_organizationId_idx" ON member ("organizationId");
CREATE INDEX IF NOT EXISTS "member_userId_idx" ON member ("userId");
CREATE INDEX IF NOT EXISTS "session_userId_idx" ON session ("userId");
CREATE INDEX IF NOT EXISTS "teamMember_teamId_idx" ON "teamMember" ("teamId");
CREATE INDEX IF NOT EXISTS "teamMember_userId_idx" ON "teamMember" ("userId");
CREATE INDEX IF NOT EXISTS "team_organizationId_idx" ON team ("organizationId");
CREATE INDEX IF NOT EXISTS verification_identifier_idx ON verification (identifier);

-- Better Auth lacks these two, so its tables can hold duplicates. A database that does keeps working without the index, and
-- the operator is warned.
DO $$
BEGIN
  CREATE UNIQUE INDEX IF NOT EXISTS "member_organizationId_userId_key" ON member ("organizationId", "userId");
EXCEPTION WHEN unique_violation THEN
  RAISE WARNING 'table member has duplicates: remove them, then create the unique index member("organizationId","userId")';
END $$;
DO $$
BEGIN
  CREATE UNIQUE INDEX IF NOT EXISTS "account_providerId_accountId_key" ON account ("providerId", "accountId");
EXCEPTION WHEN unique_violation THEN
  RAISE WARNING 'table account has duplicates: remove them, then create the unique index account("providerId","accountId")';
END $$;

-- ── Sessions ──

-- Rotating refresh tokens, stored as hashes. A successor is derived from its predecessor, so that a client whose answer was
-- lost, or a second tab, gets the same successor.
CREATE TABLE watchword.refresh_token (
  hash       bytea       PRIMARY KEY,          -- SHA-256 of the token
  session_id text        NOT NULL,             -- all tokens of one login
  user_id    text        NOT NULL,
  issued_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at timestamptz NOT NULL,             -- of a spent token: when its successor expires
  spent_at   timestamptz                       -- exchanged for its successor
);
CREATE INDEX refresh_token_session ON watchword.refresh_token (session_id);
CREATE INDEX refresh_token_expiry ON watchword.refresh_token (expires_at);

-- Ended sessions. Every node mirrors them to refuse access tokens that have not expired; those live 24 hours at most.
CREATE TABLE watchword.ended_session (
  session_id text        PRIMARY KEY,
  ended_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_by   xid8        NOT NULL DEFAULT pg_current_xact_id()   -- where a mirror continues reading
);
CREATE INDEX ended_session_ended_at ON watchword.ended_session (ended_at);
CREATE INDEX ended_session_ended_by ON watchword.ended_session (ended_by);

CREATE TABLE watchword.user_login (
  user_id       text        PRIMARY KEY,
  last_login_at timestamptz NOT NULL
);

-- Sign-out, an administrator, a ban or a statement by hand: they all delete the session.
CREATE FUNCTION watchword.end_session() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO watchword.ended_session (session_id) VALUES (OLD.id) ON CONFLICT (session_id) DO NOTHING;
  DELETE FROM watchword.refresh_token WHERE session_id = OLD.id;
  RETURN NULL;
END $$;

-- ── Bodies of the change events ──
-- Rows are passed as jsonb, because some columns exist only with certain Better Auth plugins.

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

CREATE FUNCTION watchword.organization_data(p_organization jsonb) RETURNS json LANGUAGE sql IMMUTABLE AS $$
  SELECT json_build_object('organizationId', p_organization ->> 'id', 'name', p_organization ->> 'name',
                           'slug', p_organization ->> 'slug', 'logo', p_organization ->> 'logo',
                           'metadata', p_organization ->> 'metadata')
$$;

CREATE FUNCTION watchword.member_data(p_member jsonb) RETURNS json LANGUAGE sql IMMUTABLE AS $$
  SELECT json_build_object('memberId', p_member ->> 'id', 'organizationId', p_member ->> 'organizationId',
                           'userId', p_member ->> 'userId',
                           'roles', to_json(string_to_array(replace(p_member ->> 'role', ' ', ''), ',')))
$$;

CREATE FUNCTION watchword.invitation_data(p_invitation jsonb) RETURNS json LANGUAGE sql IMMUTABLE AS $$
  SELECT json_build_object('invitationId', p_invitation ->> 'id', 'organizationId', p_invitation ->> 'organizationId',
                           'email', p_invitation ->> 'email', 'role', p_invitation ->> 'role',
                           'teamId', p_invitation ->> 'teamId', 'status', p_invitation ->> 'status',
                           'inviterId', p_invitation ->> 'inviterId')
$$;

-- ── Capture ──
-- Triggers append the event in the transaction of the change, whoever makes it. A user's event combines the user's row with
-- a membership, and concurrent transactions may change either. It is therefore read after the entity's lock is held: what
-- a transaction read before it had to wait may be outdated.

-- Locks an entity without drawing a version. The caller's next statement sees what the previous holder committed.
CREATE FUNCTION watchword.lock_entity(p_kind text, p_id text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  PERFORM 1 FROM watchword.entity_version WHERE kind = p_kind AND id = p_id FOR UPDATE;
  IF NOT FOUND THEN   -- the entity is older than this installation
    INSERT INTO watchword.entity_version AS e (kind, id, version) VALUES (p_kind, p_id, nextval('watchword.outbox_position'))
    ON CONFLICT (kind, id) DO UPDATE SET version = e.version;
  END IF;
END $$;

-- Reads the user from the table, not from the trigger's NEW, because another trigger may have changed the row since.
CREATE FUNCTION watchword.append_user(p_event text, p_id text, p_deleted boolean DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
DECLARE
  v_user jsonb;
BEGIN
  SELECT to_jsonb(u) INTO v_user FROM "user" u WHERE u.id = p_id;
  IF FOUND THEN   -- not while the user is being deleted
    PERFORM watchword.append_change('user.sync', p_event, 'user', p_id, watchword.user_data(v_user), p_deleted);
  END IF;
END $$;

-- Here and below: a changed id ends one entity and starts another.
CREATE FUNCTION watchword.capture_user() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
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

CREATE FUNCTION watchword.capture_organization() RETURNS trigger LANGUAGE plpgsql AS $$
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

-- user.sync names the organization of the user's oldest membership. If that membership starts or ends, the user changes too.
CREATE FUNCTION watchword.append_user_of_member(p_member jsonb) RETURNS void LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
  IF NOT EXISTS (SELECT 1 FROM member m WHERE m."userId" = p_member ->> 'userId' AND m.id <> p_member ->> 'id'
                 AND (m."createdAt", m.id) < ((p_member ->> 'createdAt')::timestamptz, p_member ->> 'id')) THEN
    PERFORM watchword.append_user('user.updated', p_member ->> 'userId');
  END IF;
END $$;

-- Locks organizations before users, each in order, so that transactions that add many users to one organization cannot
-- deadlock.
CREATE FUNCTION watchword.capture_member() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
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

-- TRUNCATE fires no row triggers, so this deletes the rows one by one before it.
CREATE FUNCTION watchword.capture_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  EXECUTE format('DELETE FROM %I.%I', TG_TABLE_SCHEMA, TG_TABLE_NAME);
  RETURN NULL;
END $$;

CREATE TRIGGER watchword_capture AFTER INSERT OR UPDATE OR DELETE ON "user"
  FOR EACH ROW EXECUTE FUNCTION watchword.capture_user();
CREATE TRIGGER watchword_capture AFTER INSERT OR UPDATE OR DELETE ON organization
  FOR EACH ROW EXECUTE FUNCTION watchword.capture_organization();
CREATE TRIGGER watchword_capture AFTER INSERT OR UPDATE OR DELETE ON member
  FOR EACH ROW EXECUTE FUNCTION watchword.capture_member();
CREATE TRIGGER watchword_capture AFTER INSERT OR UPDATE OR DELETE ON invitation
  FOR EACH ROW EXECUTE FUNCTION watchword.capture_invitation();
CREATE TRIGGER watchword_end_session AFTER DELETE ON session
  FOR EACH ROW EXECUTE FUNCTION watchword.end_session();

CREATE TRIGGER watchword_capture_truncate BEFORE TRUNCATE ON "user"
  FOR EACH STATEMENT EXECUTE FUNCTION watchword.capture_truncate();
CREATE TRIGGER watchword_capture_truncate BEFORE TRUNCATE ON organization
  FOR EACH STATEMENT EXECUTE FUNCTION watchword.capture_truncate();
CREATE TRIGGER watchword_capture_truncate BEFORE TRUNCATE ON member
  FOR EACH STATEMENT EXECUTE FUNCTION watchword.capture_truncate();
CREATE TRIGGER watchword_capture_truncate BEFORE TRUNCATE ON invitation
  FOR EACH STATEMENT EXECUTE FUNCTION watchword.capture_truncate();
CREATE TRIGGER watchword_end_session_truncate BEFORE TRUNCATE ON session
  FOR EACH STATEMENT EXECUTE FUNCTION watchword.capture_truncate();
