-- Which streams a subscriber has read: where its durable is gone with the stream, it begins at the oldest event, also one
-- that had begun with what was new.
CREATE TABLE watchword.read_before (
  consumer text NOT NULL,
  stream   text NOT NULL,
  PRIMARY KEY (consumer, stream)
);
