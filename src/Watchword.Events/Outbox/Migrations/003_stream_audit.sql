-- What the audits of the streams found: the newest of each kind.
CREATE TABLE watchword.stream_audit (
  stream    text        NOT NULL,
  "full"    boolean     NOT NULL,   -- false: only the stream's end was checked
  at        timestamptz NOT NULL,
  took      interval    NOT NULL,
  compared  bigint      NOT NULL,   -- rows of the outbox
  lost      bigint      NOT NULL,   -- acknowledged once, and gone: set back, and published again
  corrected bigint      NOT NULL,   -- there, but at another sequence
  PRIMARY KEY (stream, "full")
);

-- A row that is unpublished and has a stream_seq was published before, and the stream lost it.
