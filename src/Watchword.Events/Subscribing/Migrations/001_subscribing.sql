-- What a subscriber keeps in its own database: parked events, handled events, and the streams it has read.

-- An event that could not be handled, and the later events of its key, which wait behind it. The oldest open event of a
-- queue is its head; only heads have due_at, the time of the next attempt. Where events carry whole states, as for user
-- sync, nothing waits: a newer state supersedes the older ones.
CREATE TABLE watchword.parked_event (
  id           bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  consumer     text        NOT NULL,
  queue        text        NOT NULL,   -- the key; an event without a key, or that holds nobody back, has its own queue
  key          text,                   -- the user or organization, if it could be read
  event        text        NOT NULL,   -- its id, or its place in the stream if it has none
  stream       text        NOT NULL,
  sequence     bigint      NOT NULL,
  subject      text        NOT NULL,
  headers      jsonb       NOT NULL DEFAULT '[]',   -- [[name, value], …] as received
  payload      bytea       NOT NULL,
  stored_at    timestamptz NOT NULL,   -- when the stream stored it
  parked_at    timestamptz NOT NULL DEFAULT clock_timestamp(),
  state        text        NOT NULL CHECK (state IN ('retrying', 'failed', 'waiting', 'redriven', 'discarded', 'superseded')),
  reason       text,                   -- null while it only waits behind another
  attempts     integer     NOT NULL DEFAULT 0,
  due_at       timestamptz,
  copied       boolean     NOT NULL DEFAULT false,  -- the stream of dead letters has a copy
  requested_by text,                   -- who asked for the redrive
  resolved_at  timestamptz,
  resolved_by  text,
  resolution   text,                   -- why it was discarded, or by what it was superseded
  -- Delivered repeatedly without an answer, so it may be what kills the process. Suspects are tried one at a time, so that
  -- events that were merely in flight at the time are not blamed.
  suspect      boolean     NOT NULL DEFAULT false,
  -- The process that started the handler and has not recorded the outcome. If a new process finds this set, the old one
  -- died: because of this event if it ran alone, otherwise because of any event that was in flight.
  began_by     uuid
);
-- An event is parked at most once at a time. A resolved event may come again in a replay, and fail again.
CREATE UNIQUE INDEX parked_event_event ON watchword.parked_event (consumer, event) WHERE resolved_at IS NULL;
CREATE INDEX parked_event_open ON watchword.parked_event (consumer, queue, id) WHERE resolved_at IS NULL;
CREATE INDEX parked_event_due ON watchword.parked_event (consumer, due_at) WHERE due_at IS NOT NULL;
-- Operators list the failed events: few among many that wait.
CREATE INDEX parked_event_failed ON watchword.parked_event (consumer, id) WHERE state = 'failed';
CREATE INDEX parked_event_uncopied ON watchword.parked_event (consumer, id) WHERE state = 'failed' AND NOT copied;
CREATE INDEX parked_event_resolved ON watchword.parked_event (resolved_at) WHERE resolved_at IS NOT NULL;

-- Who redrove or discarded which dead letter, and why. Kept after the events are pruned.
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

-- Handled events. The row commits together with the handler's effects, so a redelivery is recognized.
CREATE TABLE watchword.handled_event (
  consumer   text        NOT NULL,
  event      text        NOT NULL,
  handled_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (consumer, event)
);
CREATE INDEX handled_event_at ON watchword.handled_event USING brin (handled_at);

-- Only the subscriber may commit. Events share a transaction, and a handler that commits would also commit the rows of
-- events that have not been handled yet; if one of those failed, or the process died, it would never be handled.
CREATE FUNCTION watchword.refuse_foreign_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('watchword.commit', true) IS DISTINCT FROM 'on' THEN
    RAISE EXCEPTION 'the handler must not commit: the subscriber commits its transaction'
      USING ERRCODE = 'invalid_transaction_termination',
            HINT = 'SET CONSTRAINTS ALL IMMEDIATE is refused as well: name the constraints instead of ALL.';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER handled_event_commit AFTER INSERT ON watchword.handled_event
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION watchword.refuse_foreign_commit();

