-- What a subscriber keeps in its own database: the events that it set aside, and those that it has handled.

-- An event that could not be handled, and the later events of its key, which wait behind it. The first open event of
-- a queue is its head; due_at, on heads only, says when it is to be handled (again).
CREATE TABLE watchword.parked_event (
  id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  consumer     text        NOT NULL,
  queue        text        NOT NULL,   -- the key; an event without one has a queue of its own
  key          text,                   -- the user or organization, when that much could be read
  event        text        NOT NULL,   -- its id, or its place in the stream: parked once, however often it comes
  stream       text        NOT NULL,
  sequence     bigint      NOT NULL,
  subject      text        NOT NULL,
  headers      jsonb       NOT NULL DEFAULT '[]',   -- [[name, value], …] as they came
  payload      bytea       NOT NULL,
  stored_at    timestamptz NOT NULL,   -- by the stream's clock
  parked_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  state        text        NOT NULL CHECK (state IN ('retrying', 'failed', 'waiting', 'redriven', 'discarded')),
  reason       text,                   -- null while it only waits
  attempts     integer     NOT NULL DEFAULT 0,
  due_at       timestamptz,
  copied       boolean     NOT NULL DEFAULT false,  -- a copy is in the stream of dead letters
  requested_by text,                   -- who asked for the redrive
  resolved_at  timestamptz,
  resolved_by  text,
  resolution   text                    -- why it was discarded
);
CREATE UNIQUE INDEX parked_event_event ON watchword.parked_event (consumer, event);
CREATE INDEX parked_event_open ON watchword.parked_event (consumer, queue, id) WHERE resolved_at IS NULL;
CREATE INDEX parked_event_due ON watchword.parked_event (consumer, due_at) WHERE due_at IS NOT NULL;
CREATE INDEX parked_event_uncopied ON watchword.parked_event (consumer, id) WHERE state = 'failed' AND NOT copied;
CREATE INDEX parked_event_resolved ON watchword.parked_event (resolved_at) WHERE resolved_at IS NOT NULL;

-- Who redrove or discarded what, and why. Outlives the events.
CREATE TABLE watchword.dead_letter_action (
  id       bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at       timestamptz NOT NULL DEFAULT clock_timestamp(),
  actor    text        NOT NULL,
  action   text        NOT NULL CHECK (action IN ('redrive', 'discard')),
  consumer text        NOT NULL,
  letter   bigint      NOT NULL,
  event    text        NOT NULL,
  key      text,
  reason   text
);

-- Events whose effects are committed: the row commits with them, so that a redelivery finds it.
CREATE TABLE watchword.handled_event (
  consumer   text        NOT NULL,
  event      text        NOT NULL,
  handled_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (consumer, event)
);
CREATE INDEX handled_event_at ON watchword.handled_event USING brin (handled_at);
