-- A day goes when everything of it was published longer than the retention ago: what was held, or waited for NATS, is
-- wanted by the audit and by replays as long as the stream may have it.
CREATE OR REPLACE FUNCTION watchword.drop_outbox_partitions(p_retention interval) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_name    text;
  v_wanted  boolean;
  v_dropped integer := 0;
BEGIN
  FOR v_name IN
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'watchword.outbox'::regclass AND c.relname ~ '^outbox_\d{8}$'
      AND to_date(substring(c.relname FROM 8), 'YYYYMMDD') + 1 <= (now() AT TIME ZONE 'UTC' - p_retention)::date
    ORDER BY 1
  LOOP
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM watchword.%I WHERE published_at IS NULL OR published_at >= $1)', v_name)
      INTO v_wanted USING now() - p_retention;
    CONTINUE WHEN v_wanted;
    EXECUTE format('DROP TABLE watchword.%I', v_name);
    v_dropped := v_dropped + 1;
  END LOOP;
  DELETE FROM watchword.outbox_default WHERE published_at < now() - p_retention AND occurred_at < now() - p_retention;
  RETURN v_dropped;
END $$;
