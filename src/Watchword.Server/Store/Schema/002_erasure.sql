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
