-- Better Auth's tables, with those of its plugins: same names, columns and value formats, so that a Better Auth server can
-- work on this database too. Made where none of them exists; a database that Better Auth made is left as it is.

CREATE TABLE "user" (
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
  username text,
  "displayUsername" text,
  "isAnonymous" boolean DEFAULT false,
  "phoneNumber" text,
  "phoneNumberVerified" boolean,
  "twoFactorEnabled" boolean DEFAULT false,
  "lastLoginMethod" text,
  CONSTRAINT user_email_key UNIQUE (email),
  CONSTRAINT user_pkey PRIMARY KEY (id)
);

CREATE TABLE session (
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

CREATE TABLE account (
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

CREATE TABLE verification (
  id text NOT NULL,
  identifier text NOT NULL,
  value text NOT NULL,
  "expiresAt" timestamptz NOT NULL,
  "createdAt" timestamptz DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updatedAt" timestamptz DEFAULT CURRENT_TIMESTAMP NOT NULL,
  CONSTRAINT verification_pkey PRIMARY KEY (id)
);

CREATE TABLE organization (
  id text NOT NULL,
  name text NOT NULL,
  slug text NOT NULL,
  logo text,
  "createdAt" timestamptz NOT NULL,
  metadata text,
  CONSTRAINT organization_pkey PRIMARY KEY (id),
  CONSTRAINT organization_slug_key UNIQUE (slug)
);

CREATE TABLE member (
  id text NOT NULL,
  "organizationId" text NOT NULL,
  "userId" text NOT NULL,
  role text NOT NULL,
  "createdAt" timestamptz NOT NULL,
  CONSTRAINT member_pkey PRIMARY KEY (id),
  CONSTRAINT "member_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES organization(id) ON DELETE CASCADE,
  CONSTRAINT "member_userId_fkey" FOREIGN KEY ("userId") REFERENCES "user"(id) ON DELETE CASCADE
);

CREATE TABLE invitation (
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

CREATE TABLE team (
  id text NOT NULL,
  name text NOT NULL,
  "memberCount" integer NOT NULL,
  "organizationId" text NOT NULL,
  "createdAt" timestamptz NOT NULL,
  "updatedAt" timestamptz,
  CONSTRAINT team_pkey PRIMARY KEY (id),
  CONSTRAINT "team_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES organization(id) ON DELETE CASCADE
);

CREATE TABLE "teamMember" (
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

CREATE TABLE apikey (
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

CREATE TABLE jwks (
  id text NOT NULL,
  "publicKey" text NOT NULL,
  "privateKey" text NOT NULL,
  "createdAt" timestamptz NOT NULL,
  "expiresAt" timestamptz,
  alg text,
  crv text,
  CONSTRAINT jwks_pkey PRIMARY KEY (id)
);

CREATE TABLE "organizationRole" (
  id text NOT NULL,
  "organizationId" text NOT NULL,
  role text NOT NULL,
  permission text NOT NULL,
  "createdAt" timestamptz DEFAULT CURRENT_TIMESTAMP NOT NULL,
  "updatedAt" timestamptz,
  CONSTRAINT "organizationRole_pkey" PRIMARY KEY (id),
  CONSTRAINT "organizationRole_organizationId_fkey" FOREIGN KEY ("organizationId") REFERENCES organization(id) ON DELETE CASCADE
);

CREATE TABLE passkey (
  id text NOT NULL,
  name text,
  "publicKey" text NOT NULL,
  "userId" text NOT NULL,
  "credentialID" text NOT NULL,
  counter integer NOT NULL,
  "deviceType" text NOT NULL,
  "backedUp" boolean NOT NULL,
  transports text,
  "createdAt" timestamptz,
  aaguid text,
  CONSTRAINT passkey_pkey PRIMARY KEY (id),
  CONSTRAINT "passkey_userId_fkey" FOREIGN KEY ("userId") REFERENCES "user"(id) ON DELETE CASCADE
);

CREATE TABLE "twoFactor" (
  id text NOT NULL,
  secret text NOT NULL,
  "backupCodes" text NOT NULL,
  "userId" text NOT NULL,
  verified boolean,
  "failedVerificationCount" integer,
  "lockedUntil" timestamptz,
  CONSTRAINT "twoFactor_pkey" PRIMARY KEY (id),
  CONSTRAINT "twoFactor_userId_fkey" FOREIGN KEY ("userId") REFERENCES "user"(id) ON DELETE CASCADE
);

CREATE TABLE "deviceCode" (
  id text NOT NULL,
  "deviceCode" text NOT NULL,
  "userCode" text NOT NULL,
  "userId" text,
  "expiresAt" timestamptz NOT NULL,
  status text NOT NULL,
  "lastPolledAt" timestamptz,
  "pollingInterval" integer,
  "clientId" text,
  scope text,
  CONSTRAINT "deviceCode_pkey" PRIMARY KEY (id)
);

CREATE TABLE "rateLimit" (
  id text NOT NULL,
  key text NOT NULL,
  count integer NOT NULL,
  "lastRequest" bigint NOT NULL,
  CONSTRAINT "rateLimit_pkey" PRIMARY KEY (id),
  CONSTRAINT "rateLimit_key_key" UNIQUE (key)
);

CREATE INDEX "account_userId_idx" ON account ("userId");
CREATE INDEX "apikey_configId_idx" ON apikey ("configId");
CREATE INDEX apikey_key_idx ON apikey (key);
CREATE INDEX "apikey_referenceId_idx" ON apikey ("referenceId");
CREATE INDEX invitation_email_idx ON invitation (email);
CREATE INDEX "invitation_organizationId_idx" ON invitation ("organizationId");
CREATE INDEX "member_organizationId_idx" ON member ("organizationId");
CREATE INDEX "member_userId_idx" ON member ("userId");
CREATE INDEX "session_userId_idx" ON session ("userId");
CREATE INDEX "teamMember_teamId_idx" ON "teamMember" ("teamId");
CREATE INDEX "teamMember_userId_idx" ON "teamMember" ("userId");
CREATE INDEX "team_organizationId_idx" ON team ("organizationId");
CREATE INDEX verification_identifier_idx ON verification (identifier);
CREATE UNIQUE INDEX "user_username_uidx" ON "user" (username);
CREATE UNIQUE INDEX "user_phoneNumber_uidx" ON "user" ("phoneNumber");
CREATE INDEX "twoFactor_secret_idx" ON "twoFactor" (secret);
CREATE INDEX "twoFactor_userId_idx" ON "twoFactor" ("userId");
CREATE INDEX "organizationRole_organizationId_idx" ON "organizationRole" ("organizationId");
CREATE INDEX "organizationRole_role_idx" ON "organizationRole" (role);
CREATE INDEX "passkey_userId_idx" ON passkey ("userId");
CREATE INDEX "passkey_credentialID_idx" ON passkey ("credentialID");
CREATE UNIQUE INDEX "deviceCode_deviceCode_uidx" ON "deviceCode" ("deviceCode");
CREATE UNIQUE INDEX "deviceCode_userCode_uidx" ON "deviceCode" ("userCode");

-- Better Auth itself lacks these two.
CREATE UNIQUE INDEX "member_organizationId_userId_key" ON member ("organizationId", "userId");
CREATE UNIQUE INDEX "account_providerId_accountId_key" ON account ("providerId", "accountId");
