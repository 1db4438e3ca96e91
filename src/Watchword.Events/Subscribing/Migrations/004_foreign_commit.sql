-- Only the subscriber commits what handlers did. A handler that committed itself would commit the marks of the events
-- that share its transaction and come after it: marked as handled, and never handled if it failed next, or was killed.
CREATE FUNCTION watchword.refuse_foreign_commit() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('watchword.commit', true) IS DISTINCT FROM 'on' THEN
    RAISE EXCEPTION 'the handler must not commit: its subscriber does'
      USING ERRCODE = 'invalid_transaction_termination', HINT = 'So does SET CONSTRAINTS ALL IMMEDIATE: name the constraints that you mean.';
  END IF;
  RETURN NULL;
END $$;
CREATE CONSTRAINT TRIGGER handled_event_commit AFTER INSERT ON watchword.handled_event
  DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION watchword.refuse_foreign_commit();
