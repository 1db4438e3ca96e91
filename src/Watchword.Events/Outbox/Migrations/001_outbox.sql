-- The outbox: each change writes its event in its own transaction; the relay publishes it to NATS afterwards. Rows are
-- kept as long as the streams keep their messages, for audits and replays.

-- Positions are also versions. Foreign publishers version their events by time, in microseconds since 1970, so ours start
-- at the installation's time on the same scale: a team can switch publishers, and back, and no update looks outdated.
-- They stay below 2^53, the largest integer that JavaScript holds exactly, until the year 2255.
DO $$
BEGIN
  EXECUTE format('CREATE SEQUENCE watchword.outbox_position START %s',
                 floor(extract(epoch FROM clock_timestamp()) * 1000000)::bigint);
END $$;

CREATE TABLE watchword.outbox (
  position     bigint      NOT NULL,   -- order within a key, and the entity's version
  id           uuid        NOT NULL,   -- UUIDv7; published as Nats-Msg-Id
  stream       text        NOT NULL,   -- the JetStream stream that the subject belongs to
  subject      text        NOT NULL,
  key          text        NOT NULL,   -- the user or organization; events of one key stay in order
  payload      json        NOT NULL,   -- json, not jsonb, keeps the members in the documented order
  headers      jsonb,                  -- see watchword.context()
  occurred_at  timestamptz NOT NULL,
  published_at timestamptz,            -- null: not published yet
  stream_seq   bigint,                 -- with published_at null: published before, but lost by the stream
  PRIMARY KEY (position, occurred_at)
) PARTITION BY RANGE (occurred_at);

-- The relay reads one stream's backlog without stepping over the other's.
CREATE INDEX outbox_unpublished ON watchword.outbox (stream, position) WHERE published_at IS NULL;
-- Audits and replays look rows up by their place in the stream.
CREATE INDEX outbox_stream_seq ON watchword.outbox (stream, stream_seq) WHERE stream_seq IS NOT NULL;

-- Catches rows whose day has no partition, so that a missing partition never fails a change.
CREATE TABLE watchword.outbox_default PARTITION OF watchword.outbox DEFAULT;

-- The latest version of every user and organization, including deleted ones.
CREATE TABLE watchword.entity_version (
  kind       text   NOT NULL CHECK (kind IN ('user', 'organization')),
  id         text   NOT NULL,
  version    bigint NOT NULL,
  deleted_at timestamptz,
  PRIMARY KEY (kind, id)
) WITH (fillfactor = 70);

-- The publisher's name for the metadata of auth events. The server updates this row at startup.
CREATE TABLE watchword.publisher (
  only_row    boolean PRIMARY KEY DEFAULT true CHECK (only_row),
  service     text NOT NULL,
  version     text NOT NULL,
  environment text NOT NULL
);
INSERT INTO watchword.publisher (service, version, environment) VALUES ('auth-service', '1.0.0', 'production');

-- The latest result of each kind of stream audit.
CREATE TABLE watchword.stream_audit (
  stream    text        NOT NULL,
  "full"    boolean     NOT NULL,   -- false: only the end of the stream was checked
  at        timestamptz NOT NULL,
  took      interval    NOT NULL,
  compared  bigint      NOT NULL,   -- outbox rows
  lost      bigint      NOT NULL,   -- published once, missing from the stream; will be published again
  corrected bigint      NOT NULL,   -- found in the stream at another sequence
  PRIMARY KEY (stream, "full")
);

-- Moves the position sequence up to the present, unless it is there already. A database restored from a backup would
-- otherwise hand out versions that it handed out after the backup, and targets would ignore the changes behind them.
CREATE FUNCTION watchword.raise_position() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  v_now bigint;
BEGIN
  -- The lock, and the second of distance, keep setval from moving the sequence back while others draw from it.
  PERFORM pg_advisory_xact_lock(hashtextextended('watchword raise_position', 0));
  v_now := floor(extract(epoch FROM clock_timestamp()) * 1000000);
  PERFORM setval('watchword.outbox_position', v_now) FROM watchword.outbox_position WHERE last_value < v_now - 1000000;
END $$;

-- Locks entities until the transaction ends, always in the same order, so that statements over many keys cannot deadlock. The
-- caller's next statement sees what the previous holders committed. Versions are drawn under these locks and therefore rise
-- in commit order, even for changes that lock no other row in common.
-- Here and below: with a plan for each array, PostgreSQL would plan longer than it works; and a plan made while a table is small
-- must look each key up by the index, for it stays when the table has grown.
CREATE FUNCTION watchword.lock_entities(p_kind text, p_ids text[]) RETURNS void LANGUAGE plpgsql
SET plan_cache_mode = force_generic_plan SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off AS $$
DECLARE
  v_missing integer;
BEGIN
  SELECT count(*) FILTER (WHERE v.found IS NULL) INTO v_missing
  FROM (SELECT DISTINCT id COLLATE "C" AS id FROM unnest(p_ids) AS ids (id) ORDER BY 1) i
  LEFT JOIN LATERAL (SELECT true AS found FROM watchword.entity_version e WHERE e.kind = p_kind AND e.id = i.id FOR UPDATE) v ON true;
  IF v_missing > 0 THEN   -- some are older than this installation, and have no row yet
    INSERT INTO watchword.entity_version AS e (kind, id, version)
    SELECT p_kind, missing.id, nextval('watchword.outbox_position')
    FROM (SELECT DISTINCT i.id COLLATE "C" AS id FROM unnest(p_ids) AS i (id)
          WHERE NOT EXISTS (SELECT 1 FROM watchword.entity_version v WHERE v.kind = p_kind AND v.id = i.id) ORDER BY 1) missing
    ON CONFLICT (kind, id) DO UPDATE SET version = e.version;
  END IF;
END $$;

-- RFC 9562, section 5.7: 48 bits of milliseconds, version 7, variant 10, the rest random.
CREATE FUNCTION watchword.uuid_v7(p_at timestamptz) RETURNS uuid LANGUAGE sql VOLATILE AS $$
  SELECT encode(
    set_bit(set_bit(
      overlay(uuid_send(gen_random_uuid())
              PLACING substring(int8send(floor(extract(epoch FROM p_at) * 1000)::bigint) FROM 3) FROM 1 FOR 6),
      52, 1), 53, 1), 'hex')::uuid
$$;

-- ISO 8601 in UTC with milliseconds, in the format of JavaScript's toISOString.
CREATE FUNCTION watchword.iso(p_at timestamptz) RETURNS text LANGUAGE sql STABLE AS $$
  SELECT to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')
$$;

-- Who caused the transaction, from settings that the caller makes with SET LOCAL. The address and user agent of the client
-- are for enrichment only and are never published as headers.
CREATE FUNCTION watchword.context() RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT nullif(jsonb_strip_nulls(jsonb_build_object(
    'correlationId', nullif(current_setting('watchword.correlation_id', true), ''),
    'actor',         nullif(current_setting('watchword.actor', true), ''),
    'onBehalfOf',    nullif(current_setting('watchword.on_behalf_of', true), ''),
    'origin',        nullif(current_setting('watchword.origin', true), ''),
    'traceparent',   nullif(current_setting('watchword.traceparent', true), ''),
    'ip',            nullif(current_setting('watchword.client_ip', true), ''),
    'userAgent',     nullif(current_setting('watchword.user_agent', true), ''))), '{}'::jsonb)
$$;

CREATE FUNCTION watchword.stream_of(p_subject text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN starts_with(p_subject, 'auth.user.') THEN 'auth-events' ELSE 'identity-changes' END
$$;

-- The bodies of the two kinds of events.
CREATE FUNCTION watchword.change_body(p_event text, p_at timestamptz, p_data json, p_id uuid, p_version bigint) RETURNS json
LANGUAGE sql STABLE AS $$
  SELECT json_build_object('event', p_event, 'timestamp', watchword.iso(p_at), 'data', p_data, 'id', p_id, 'version', p_version, 'schemaVersion', 1)
$$;
CREATE FUNCTION watchword.auth_body(p_subject text, p_data json, p_publisher watchword.publisher, p_id uuid, p_correlation text) RETURNS json
LANGUAGE sql STABLE AS $$
  SELECT json_build_object('subject', p_subject, 'data', p_data, 'metadata', json_build_object(
    'service', (p_publisher).service, 'version', (p_publisher).version, 'environment', (p_publisher).environment,
    'eventId', p_id, 'correlationId', coalesce(p_correlation, p_id::text), 'schemaVersion', 1))
$$;

-- NOTIFY takes a database-wide lock at commit. Our own servers wake the relay themselves and turn this off.
CREATE FUNCTION watchword.notify_relay() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  IF current_setting('watchword.notify', true) IS DISTINCT FROM 'off' THEN
    PERFORM pg_notify('watchword_outbox', '');
  END IF;
END $$;

-- Adds an event to the outbox and notifies the relay.
CREATE FUNCTION watchword.append(
  p_position bigint, p_id uuid, p_subject text, p_key text, p_payload json, p_at timestamptz)
RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO watchword.outbox (position, id, stream, subject, key, payload, headers, occurred_at)
  VALUES (p_position, p_id, watchword.stream_of(p_subject), p_subject, p_key, p_payload, watchword.context(), p_at);
  PERFORM watchword.notify_relay();
END $$;

-- Appends an auth.user.* event for each element of p_data: {subject, data, metadata}. Members of data that are null are left
-- out; data.timestamp is added. Returns the position of the last.
CREATE FUNCTION watchword.append_auth_events(p_action text, p_keys text[], p_data jsonb[]) RETURNS bigint
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  v_subject     text  := 'auth.user.' || p_action;
  v_context     jsonb := watchword.context();
  v_correlation text  := v_context ->> 'correlationId';
  v_publisher   watchword.publisher;
BEGIN
  SELECT * INTO STRICT v_publisher FROM watchword.publisher;
  INSERT INTO watchword.outbox (position, id, stream, subject, key, payload, headers, occurred_at)
  SELECT nextval('watchword.outbox_position'), e.id, watchword.stream_of(v_subject), v_subject, e.key, watchword.auth_body(v_subject, json_strip_nulls(json_build_object(
      'userId', e.data ->> 'userId', 'email', e.data ->> 'email', 'name', e.data ->> 'name', 'reason', e.data ->> 'reason',
      'timestamp', watchword.iso(e.at), 'until', e.data ->> 'until', 'ip', e.data ->> 'ip', 'userAgent', e.data ->> 'userAgent')),
      v_publisher, e.id, v_correlation), v_context, e.at
  FROM (SELECT d.key, d.data, t.at, watchword.uuid_v7(t.at) AS id
        FROM unnest(p_keys, p_data) AS d (key, data) CROSS JOIN LATERAL (SELECT clock_timestamp() AS at, d.key OFFSET 0) t OFFSET 0) e;
  PERFORM watchword.notify_relay();
  RETURN currval('watchword.outbox_position');
END $$;

-- Appends one auth.user.* event. Returns its position.
CREATE FUNCTION watchword.append_auth_event(
  p_action text, p_user_id text, p_email text DEFAULT NULL, p_name text DEFAULT NULL,
  p_ip text DEFAULT NULL, p_user_agent text DEFAULT NULL)
RETURNS bigint LANGUAGE sql AS $$
  SELECT watchword.append_auth_events(p_action, ARRAY[p_user_id], ARRAY[jsonb_build_object(
    'userId', p_user_id, 'email', p_email, 'name', p_name, 'ip', p_ip, 'userAgent', p_user_agent)])
$$;

-- A change to append.
CREATE TYPE watchword.change AS (
  kind    text,   -- of the entity whose version the change raises, and which the caller has locked; null: of none
  key     text,
  subject text,
  event   text,
  data    json
);

-- Appends a change event for each change, in this order: {event, timestamp, data, id, version, schemaVersion}. Returns the
-- position of the last, or null if there is none.
-- p_deleted: true marks the entities as deleted, false as live; null leaves the mark (memberships of a deleted organization
-- end after it, and must not revive it).
CREATE FUNCTION watchword.append_changes(p_changes watchword.change[], p_deleted boolean DEFAULT NULL) RETURNS bigint
LANGUAGE plpgsql SET plan_cache_mode = force_generic_plan AS $$
DECLARE
  v_context jsonb := watchword.context();
BEGIN
  IF coalesce(cardinality(p_changes), 0) = 0 THEN
    RETURN NULL;
  END IF;
  -- The time is read after the lock too, so times rise with versions.
  WITH drawn AS MATERIALIZED (
    SELECT c.*, nextval('watchword.outbox_position') AS position, t.at, watchword.uuid_v7(t.at) AS id
    FROM unnest(p_changes) AS c CROSS JOIN LATERAL (SELECT clock_timestamp() AS at, c.key OFFSET 0) t (at, of)),
  stored AS (
    INSERT INTO watchword.outbox (position, id, stream, subject, key, payload, headers, occurred_at)
    SELECT position, id, watchword.stream_of(subject), subject, key,
           watchword.change_body(event, at, data, id, position), v_context, at
    FROM drawn)
  INSERT INTO watchword.entity_version AS e (kind, id, version, deleted_at)
  SELECT kind, key, max(position), CASE WHEN p_deleted THEN max(at) END
  FROM drawn WHERE kind IS NOT NULL GROUP BY kind, key ORDER BY kind, key COLLATE "C"
  ON CONFLICT (kind, id) DO UPDATE
    SET version = EXCLUDED.version, deleted_at = CASE WHEN p_deleted IS NULL THEN e.deleted_at ELSE EXCLUDED.deleted_at END;
  PERFORM watchword.notify_relay();
  RETURN currval('watchword.outbox_position');
END $$;

-- Locks one entity and appends one change of it. Returns its version.
CREATE FUNCTION watchword.append_change(
  p_subject text, p_event text, p_kind text, p_key text, p_data json, p_deleted boolean DEFAULT NULL)
RETURNS bigint LANGUAGE plpgsql AS $$
BEGIN
  PERFORM watchword.lock_entities(p_kind, ARRAY[p_key]);
  RETURN watchword.append_changes(ARRAY[(p_kind, p_key, p_subject, p_event, p_data)::watchword.change], p_deleted);
END $$;

-- Creates the missing daily partitions (UTC) from yesterday to p_days ahead and returns how many. Rows of such a day that
-- the default partition holds move into the new one.
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

-- Drops the daily partitions whose events were all published before the retention began, and returns how many. The time of
-- publication counts: an event that waited for NATS is still in the stream, and audits and replays need its row.
CREATE FUNCTION watchword.drop_outbox_partitions(p_retention interval) RETURNS integer LANGUAGE plpgsql AS $$
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

SELECT watchword.make_outbox_partitions(7);
