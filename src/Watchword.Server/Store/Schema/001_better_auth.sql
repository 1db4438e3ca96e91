-- Better Auth's own tables: the same names, columns and value formats, so that Watchword can take over such a
-- database or sit beside a running Better Auth server. Tables that exist are left as they are.

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

-- What Better Auth lacks: without them a member can be added twice. A database that already holds such
-- doubles keeps working without the index, and the operator is told.
DO $$
BEGIN
  CREATE UNIQUE INDEX IF NOT EXISTS "member_organizationId_userId_key" ON member ("organizationId", "userId");
EXCEPTION WHEN unique_violation THEN
  RAISE WARNING 'table member holds the same user twice in one organization: remove the doubles, then create the unique index member("organizationId","userId")';
END $$;
DO $$
BEGIN
  CREATE UNIQUE INDEX IF NOT EXISTS "account_providerId_accountId_key" ON account ("providerId", "accountId");
EXCEPTION WHEN unique_violation THEN
  RAISE WARNING 'table account holds the same provider account twice: remove the doubles, then create the unique index account("providerId","accountId")';
END $$;
