-- The process that began the handler of an event and has not said yet how that ended. Found at the start of another one it
-- says that the first ended meanwhile: the event's doing if it was tried alone, else anybody's.
ALTER TABLE watchword.parked_event ADD COLUMN began_by uuid;
