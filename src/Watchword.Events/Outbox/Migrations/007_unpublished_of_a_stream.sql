-- The relay looks for what waits for one stream: it must not read past all that waits for the other, which may be away.
CREATE INDEX outbox_unpublished_auth ON watchword.outbox (position) WHERE published_at IS NULL AND starts_with(subject, 'auth.user.');
CREATE INDEX outbox_unpublished_changes ON watchword.outbox (position) WHERE published_at IS NULL AND NOT starts_with(subject, 'auth.user.');
DROP INDEX watchword.outbox_unpublished;
