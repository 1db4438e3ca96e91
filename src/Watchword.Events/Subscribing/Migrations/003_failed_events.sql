-- What operators list: few among many that wait.
CREATE INDEX parked_event_failed ON watchword.parked_event (consumer, id) WHERE state = 'failed';
