-- Rotating refresh tokens. Only hashes are stored; a successor is derived from its predecessor, so that a
-- second tab which presents the same token in the grace period is given the same successor.
CREATE TABLE watchword.refresh_token (
  hash       bytea       PRIMARY KEY,          -- SHA-256 of the token
  session_id text        NOT NULL,             -- the family: one per login, ended with its session
  user_id    text        NOT NULL,
  issued_at  timestamptz NOT NULL DEFAULT clock_timestamp(),
  expires_at timestamptz NOT NULL,
  spent_at   timestamptz
);
CREATE INDEX refresh_token_session ON watchword.refresh_token (session_id);
CREATE INDEX refresh_token_expiry ON watchword.refresh_token (expires_at);

-- Ended sessions: what every node's revocation mirror holds. Kept while an access token of the session
-- could still be alive (24 hours is the longest lifetime that can be configured).
CREATE TABLE watchword.ended_session (
  session_id text        PRIMARY KEY,
  ended_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
  ended_by   xid8        NOT NULL DEFAULT pg_current_xact_id()   -- what the mirrors read on by
);
CREATE INDEX ended_session_ended_at ON watchword.ended_session (ended_at);
CREATE INDEX ended_session_ended_by ON watchword.ended_session (ended_by);

CREATE TABLE watchword.user_login (
  user_id       text        PRIMARY KEY,
  last_login_at timestamptz NOT NULL
);

-- A session can be ended by sign-out, by an administrator, by a ban, or by hand: the trigger sees them all.
CREATE FUNCTION watchword.end_session() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO watchword.ended_session (session_id) VALUES (OLD.id) ON CONFLICT (session_id) DO NOTHING;
  DELETE FROM watchword.refresh_token WHERE session_id = OLD.id;
  RETURN NULL;
END $$;
CREATE TRIGGER watchword_end_session AFTER DELETE ON session
  FOR EACH ROW EXECUTE FUNCTION watchword.end_session();
-- TRUNCATE fires no row triggers: it is turned into a DELETE first.
CREATE TRIGGER watchword_end_session_truncate BEFORE TRUNCATE ON session
  FOR EACH STATEMENT EXECUTE FUNCTION watchword.capture_truncate();
