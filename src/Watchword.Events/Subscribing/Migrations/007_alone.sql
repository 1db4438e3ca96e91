-- When the handler of an event was begun, and nobody has said yet how that ended. Found at the start of a process it says
-- that the last one ended meanwhile: the event's doing if it was tried alone, else anybody's.
ALTER TABLE watchword.parked_event ADD COLUMN began_at timestamptz;
