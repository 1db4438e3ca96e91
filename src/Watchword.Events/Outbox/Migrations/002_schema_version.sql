-- Change events name the version of their form, as auth events do: {event, timestamp, data, id, version, schemaVersion}.
CREATE OR REPLACE FUNCTION watchword.append_change(
  p_subject text, p_event text, p_kind text, p_key text, p_data json, p_deleted boolean DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  v_version bigint      := watchword.next_version(p_kind, p_key, p_deleted);
  v_at      timestamptz := clock_timestamp();   -- after the lock, so that times rise with versions
  v_id      uuid        := watchword.uuid_v7(v_at);
BEGIN
  PERFORM watchword.append(v_version, v_id, p_subject, p_key,
    json_build_object('event', p_event, 'timestamp', watchword.iso(v_at), 'data', p_data,
                      'id', v_id, 'version', v_version, 'schemaVersion', 1), v_at);
  RETURN v_version;
END $$;
