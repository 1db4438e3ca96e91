-- The server's own tables beside Better Auth's: what it needs to know of sessions and logins.

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

-- Failed logins in a row, by e-mail address and by the client's address; see LoginFailures.
CREATE TABLE watchword.login_failure (
  email        text        NOT NULL,
  ip           text        NOT NULL,
  failures     integer     NOT NULL,
  refused      integer     NOT NULL DEFAULT 0,   -- attempts while it was locked
  last_at      timestamptz NOT NULL,
  locked_until timestamptz,
  PRIMARY KEY (email, ip)
);
CREATE INDEX login_failure_last_at ON watchword.login_failure (last_at);

-- Who was erased, or is being erased. An erasure that failed midway is repeated, and by then the places from which the
-- person's addresses were learned may be empty: they are kept here until it is complete.
CREATE TABLE watchword.erasure (
  user_id      text        PRIMARY KEY,
  requested_by text        NOT NULL,
  reason       text        NOT NULL,
  traces       text[]      NOT NULL,   -- addresses and telephone numbers; emptied at the end
  begun_at     timestamptz NOT NULL DEFAULT clock_timestamp(),
  completed_at timestamptz
);
