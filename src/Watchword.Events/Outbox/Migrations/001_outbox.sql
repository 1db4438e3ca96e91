-- The outbox: every event, in the transaction of its change, kept for the streams' retention.

-- Positions are versions, and the events of foreign publishers are versioned by their time in
-- microseconds. Starting at the installation's own time makes the two orders compare, so that a team
-- can change publishers, and back, without an update being ignored. Below 2^53 until the year 2255.
DO $$
BEGIN
  EXECUTE format('CREATE SEQUENCE watchword.outbox_position START %s',
                 floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
END $$;

CREATE TABLE watchword.outbox (
  position     bigint      NOT NULL,
  id           uuid        NOT NULL,   -- UUIDv7, the Nats-Msg-Id
  subject      text        NOT NULL,
  key          text        NOT NULL,   -- what order is kept within: the user or the organization
  payload      json        NOT NULL,   -- json, not jsonb: the members stay in the documented order
  headers      jsonb,                  -- correlationId, actor, origin, traceparent: what is known of them
  occurred_at  timestamptz NOT NULL,
  published_at timestamptz,
  stream_seq   bigint,
  PRIMARY KEY (position, occurred_at)
) PARTITION BY RANGE (occurred_at);

CREATE INDEX outbox_unpublished ON watchword.outbox (position) WHERE published_at IS NULL;

-- No change may fail because nobody made today's partition.
CREATE TABLE watchword.outbox_default PARTITION OF watchword.outbox DEFAULT;

-- The newest version of every user and organization, tombstones included.
CREATE TABLE watchword.entity_version (
  kind       text   NOT NULL CHECK (kind IN ('user', 'organization')),
  id         text   NOT NULL,
  version    bigint NOT NULL,
  deleted_at timestamptz,
  PRIMARY KEY (kind, id)
) WITH (fillfactor = 70);

-- Who publishes; copied into the metadata of auth events. One row, kept by the server at its start.
CREATE TABLE watchword.publisher (
  only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  service     text NOT NULL,
  version     text NOT NULL,
  environment text NOT NULL
);
INSERT INTO watchword.publisher (service, version, environment) VALUES ('auth-service', '1.0.0', 'production');

-- Locks the key, then draws the position: ON CONFLICT evaluates its SET after it holds the row, so that
-- positions rise in commit order within a key, also for changes that lock no common row of their own.
-- p_deleted: true buries the entity, false raises it, null leaves it as it is (the memberships that a
-- deleted organization takes with it end after it).
CREATE FUNCTION watchword.next_version(p_kind text, p_id text, p_deleted boolean)
RETURNS bigint LANGUAGE sql AS $$
  INSERT INTO watchword.entity_version AS e (kind, id, version, deleted_at)
  VALUES (p_kind, p_id, nextval('watchword.outbox_position'), CASE WHEN p_deleted THEN clock_timestamp() END)
  ON CONFLICT (kind, id) DO UPDATE
    SET version = nextval('watchword.outbox_position'),
        deleted_at = CASE WHEN p_deleted IS NULL THEN e.deleted_at ELSE EXCLUDED.deleted_at END
  RETURNING e.version
$$;

-- RFC 9562, section 5.7: 48 bits of milliseconds, version 7, variant 10, the rest random.
CREATE FUNCTION watchword.uuid_v7(p_at timestamptz) RETURNS uuid LANGUAGE sql VOLATILE AS $$
  SELECT encode(
    set_bit(set_bit(
      overlay(uuid_send(gen_random_uuid())
              PLACING substring(int8send(floor(extract(epoch FROM p_at) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
      52, 1), 53, 1), 'hex')::uuid
$$;

-- ISO 8601 in UTC with milliseconds, as JavaScript's toISOString writes it.
CREATE FUNCTION watchword.iso(p_at timestamptz) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

-- What the transaction says of itself: SET LOCAL watchword.correlation_id, .actor, .origin, .traceparent.
CREATE FUNCTION watchword.context() RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT nullif(jsonb_strip_nulls(jsonb_build_object(
    'correlationId', nullif(current_setting('watchword.correlation_id', true), ''),
    'actor',         nullif(current_setting('watchword.actor', true), ''),
    'origin',        nullif(current_setting('watchword.origin', true), ''),
    'traceparent',   nullif(current_setting('watchword.traceparent', true), ''))), '{}'::jsonb)
$$;

CREATE FUNCTION watchword.append(
  p_position bigint, p_id uuid, p_subject text, p_key text, p_payload json, p_at timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO watchword.outbox (position, id, subject, key, payload, headers, occurred_at)
  VALUES (p_position, p_id, p_subject, p_key, p_payload, watchword.context(), p_at);
  -- NOTIFY takes a database-wide lock at commit. Our own servers wake the relay themselves and switch it off.
  IF current_setting('watchword.notify', true) IS DISTINCT FROM 'off' THEN
    PERFORM pg_notify('watchword_outbox', '');
  END IF;
END $$;

-- An auth.user.* event: {subject, data, metadata}; members of data that are null are left out.
CREATE FUNCTION watchword.append_auth_event(
  p_action text, p_user_id text, p_email text DEFAULT NULL, p_name text DEFAULT NULL,
  p_ip text DEFAULT NULL, p_user_agent text DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  v_at       timestamptz := clock_timestamp();
  v_id       uuid        := watchword.uuid_v7(v_at);
  v_position bigint      := nextval('watchword.outbox_position');
  v_subject  text        := 'auth.user.' || p_action;
  v_payload  json;
BEGIN
  SELECT json_build_object(
    'subject', v_subject,
    'data', json_strip_nulls(json_build_object(
      'userId', p_user_id, 'email', p_email, 'name', p_name, 'timestamp', watchword.iso(v_at),
      'ip', p_ip, 'userAgent', p_user_agent)),
    'metadata', json_build_object(
      'service', p.service, 'version', p.version, 'environment', p.environment,
      'eventId', v_id,
      'correlationId', coalesce(nullif(current_setting('watchword.correlation_id', true), ''), v_id::text),
      'schemaVersion', 1))
  INTO STRICT v_payload FROM watchword.publisher p;
  PERFORM watchword.append(v_position, v_id, v_subject, p_user_id, v_payload, v_at);
  RETURN v_position;
END $$;

-- A change event: {event, timestamp, data, id, version}.
CREATE FUNCTION watchword.append_change(
  p_subject text, p_event text, p_kind text, p_key text, p_data json, p_deleted boolean DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  v_version bigint      := watchword.next_version(p_kind, p_key, p_deleted);
  v_at      timestamptz := clock_timestamp();   -- after the lock, so that times rise with versions
  v_id      uuid        := watchword.uuid_v7(v_at);
BEGIN
  PERFORM watchword.append(v_version, v_id, p_subject, p_key,
    json_build_object('event', p_event, 'timestamp', watchword.iso(v_at), 'data', p_data,
                      'id', v_id, 'version', v_version), v_at);
  RETURN v_version;
END $$;

-- Makes the partitions from yesterday to p_days ahead. A day that already has rows in the default
-- partition gets them moved into its own. Days are UTC.
CREATE FUNCTION watchword.make_outbox_partitions(p_days integer) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_day   date;
  v_name  text;
  v_from  timestamptz;
  v_to    timestamptz;
  v_made  integer := 0;
BEGIN
  FOR v_day IN SELECT generate_series((now() AT TIME ZONE 'UTC')::date - 1,
                                      (now() AT TIME ZONE 'UTC')::date + p_days, interval '1 day')::date
  LOOP
    v_name := 'outbox_' || to_char(v_day, 'YYYYMMDD');
    CONTINUE WHEN to_regclass('watchword.' || v_name) IS NOT NULL;
    v_from := v_day::timestamp AT TIME ZONE 'UTC';
    v_to   := (v_day + 1)::timestamp AT TIME ZONE 'UTC';
    EXECUTE format('CREATE TABLE watchword.%I (LIKE watchword.outbox INCLUDING DEFAULTS)', v_name);
    -- Nobody may add to the default partition between the move and the attachment.
    LOCK TABLE watchword.outbox_default IN ACCESS EXCLUSIVE MODE;
    EXECUTE format(
      'WITH moved AS (DELETE FROM watchword.outbox_default WHERE occurred_at >= %L AND occurred_at < %L RETURNING *)
       INSERT INTO watchword.%I SELECT * FROM moved', v_from, v_to, v_name);
    EXECUTE format('ALTER TABLE watchword.outbox ATTACH PARTITION watchword.%I FOR VALUES FROM (%L) TO (%L)',
                   v_name, v_from, v_to);
    v_made := v_made + 1;
  END LOOP;
  RETURN v_made;
END $$;

-- Drops whole days older than the retention, but never a day that holds an unpublished event.
CREATE FUNCTION watchword.drop_outbox_partitions(p_retention interval) RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
  v_name       text;
  v_unfinished boolean;
  v_dropped    integer := 0;
BEGIN
  FOR v_name IN
    SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'watchword.outbox'::regclass AND c.relname ~ '^outbox_\d{8}$'
      AND to_date(substring(c.relname FROM 8), 'YYYYMMDD') + 1 <= (now() AT TIME ZONE 'UTC' - p_retention)::date
    ORDER BY 1
  LOOP
    EXECUTE format('SELECT EXISTS (SELECT 1 FROM watchword.%I WHERE published_at IS NULL)', v_name) INTO v_unfinished;
    CONTINUE WHEN v_unfinished;
    EXECUTE format('DROP TABLE watchword.%I', v_name);
    v_dropped := v_dropped + 1;
  END LOOP;
  DELETE FROM watchword.outbox_default WHERE published_at IS NOT NULL AND occurred_at < now() - p_retention;
  RETURN v_dropped;
END $$;

SELECT watchword.make_outbox_partitions(7);
