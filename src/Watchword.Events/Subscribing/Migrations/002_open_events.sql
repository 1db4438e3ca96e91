-- Parked once while it is open. What was settled may come again, by a replay, and fail again: that is a dead letter too.
DROP INDEX watchword.parked_event_event;
CREATE UNIQUE INDEX parked_event_event ON watchword.parked_event (consumer, event) WHERE resolved_at IS NULL;
