-- The table that user sync maintains. If the application has one already, only missing columns are added.
CREATE TABLE IF NOT EXISTS users (
  id   uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name text
) WITH (fillfactor = 70);   -- leaves room for HOT updates, which touch no index
ALTER TABLE users
  ADD COLUMN IF NOT EXISTS auth_id         text,     -- null: a row of the application's own, not yet linked by its e-mail
  ADD COLUMN IF NOT EXISTS email           text,
  ADD COLUMN IF NOT EXISTS phone           text,
  ADD COLUMN IF NOT EXISTS name            text,
  ADD COLUMN IF NOT EXISTS email_verified  boolean     NOT NULL DEFAULT false,
  ADD COLUMN IF NOT EXISTS is_anonymous    boolean     NOT NULL DEFAULT false,
  ADD COLUMN IF NOT EXISTS is_active       boolean     NOT NULL DEFAULT true,
  ADD COLUMN IF NOT EXISTS roles           text[]      NOT NULL DEFAULT '{user}',
  ADD COLUMN IF NOT EXISTS organization_id text        NOT NULL DEFAULT 'org_default',
  ADD COLUMN IF NOT EXISTS version         bigint      NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS created_at      timestamptz NOT NULL DEFAULT now(),
  ADD COLUMN IF NOT EXISTS updated_at      timestamptz NOT NULL DEFAULT now(),
  ADD COLUMN IF NOT EXISTS deleted_at      timestamptz,
  -- Breaks the tie between two foreign events of the same time; 0 for events that carry a version.
  ADD COLUMN IF NOT EXISTS version_tie     bigint      NOT NULL DEFAULT 0;

CREATE UNIQUE INDEX IF NOT EXISTS users_auth_id_key ON users (auth_id);
-- Not unique: events of different users have no order, so an address may reach its new owner before it leaves the old one.
CREATE INDEX IF NOT EXISTS users_email ON users (lower(email));
CREATE INDEX IF NOT EXISTS users_unlinked ON users (lower(email)) WHERE auth_id IS NULL;
