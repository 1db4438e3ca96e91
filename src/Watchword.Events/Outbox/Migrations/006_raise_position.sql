-- Versions count the microseconds since 1970, from the installation on, and one for each event. Raised to the present now
-- and then they stay ahead of all that were given before, also where a database is restored from a backup: what it gave
-- after the backup must not be given again, or targets would take the newer change for the one that they have.
CREATE FUNCTION watchword.raise_position() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_now bigint;
BEGIN
  -- One at a time, and only from far behind: whoever draws one meanwhile must not be overtaken by an older present.
  PERFORM pg_advisory_xact_lock(hashtextextended('watchword raise_position', 0));
  v_now := floor(extract(epoch FROM clock_timestamp()) * 1000000);
  PERFORM setval('watchword.outbox_position', v_now) FROM watchword.outbox_position WHERE last_value < v_now - 1000000;
END $$;
