-- An alert that the server refuses for its size would keep all later ones back.
ALTER TABLE security.alert ADD COLUMN skipped_at timestamptz;
DROP INDEX security.alert_unpublished;
CREATE INDEX alert_unpublished ON security.alert (id) WHERE published_at IS NULL AND skipped_at IS NULL;
