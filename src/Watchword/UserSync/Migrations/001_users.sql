-- The table that user sync keeps in step. An application's own table is extended, never replaced.
CREATE TABLE IF NOT EXISTS users (
  id   uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  name text
) WITH (fillfactor = 70);   -- room for the next version of a row beside it: no index has to learn of it
ALTER TABLE users
  ADD COLUMN IF NOT EXISTS auth_id         text,     -- null: a row of the application's own, linked by its e-mail
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
-- Not unique: order is kept within a user, not between users, so a freed address can arrive at its next
-- owner before it has left its last.
CREATE INDEX IF NOT EXISTS users_email ON users (lower(email));
CREATE INDEX IF NOT EXISTS users_unlinked ON users (lower(email)) WHERE auth_id IS NULL;

-- Events that could not be applied, with the reason.
CREATE TABLE watchword.dead_letter (
  id          bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  consumer    text        NOT NULL,
  stream      text        NOT NULL,
  sequence    bigint      NOT NULL,
  subject     text        NOT NULL,
  key         text,
  reason      text        NOT NULL,
  attempts    integer     NOT NULL,
  headers     jsonb,
  payload     bytea       NOT NULL,
  received_at timestamptz NOT NULL DEFAULT now()
);
-- The payload too: a stream that was wiped starts its sequences again.
CREATE UNIQUE INDEX dead_letter_event ON watchword.dead_letter (consumer, stream, sequence, md5(payload));
