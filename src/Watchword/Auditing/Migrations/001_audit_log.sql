-- The audit log. Each row holds the hash of the previous row, so that changing, removing, inserting or moving a row breaks
-- the chain of hashes.
--
-- What a row tells of a person is hashed into its commitment, and the chain holds the commitment alone. Salt and content can
-- therefore be erased: the chain still verifies, and without the salt nobody can find out the content by guessing.
--
-- The commitment is SHA-256 over salt, correlation_id and payload; the hash is SHA-256 over the columns from position to
-- previous_hash. Both take the columns in the order below, each in PostgreSQL's binary format: the length in four bytes,
-- big-endian (ff ff ff ff for NULL), then the bytes. Text is UTF-8; bigint is eight bytes, big-endian; timestamptz is a
-- bigint of microseconds since 2000-01-01 UTC. The length prefixes make the input unambiguous.
CREATE TABLE watchword.audit_log (
  position       bigint      PRIMARY KEY,   -- 1, 2, 3 … without gaps
  event_id       text        NOT NULL,
  stream         text        NOT NULL,
  sequence       bigint      NOT NULL,
  subject        text        NOT NULL,
  key            text,                      -- the user or organization
  actor          text,
  origin         text,
  occurred_at    timestamptz NOT NULL,
  commitment     bytea       NOT NULL,
  previous_hash  bytea       NOT NULL,      -- 32 zero bytes in the first row
  hash           bytea       NOT NULL,
  salt           bytea,                     -- 32 random bytes; NULL once the row was erased, and so are the two below
  correlation_id text,                      -- free text from a client
  payload        bytea,
  CHECK ((salt IS NULL) = (payload IS NULL) AND (salt IS NOT NULL OR correlation_id IS NULL))
);
CREATE INDEX audit_log_key ON watchword.audit_log (key, position);
CREATE INDEX audit_log_event ON watchword.audit_log (event_id);

-- Position and hash of the last row. Writers lock this row, so that no two of them extend the same row.
CREATE TABLE watchword.audit_head (
  is_head  boolean PRIMARY KEY DEFAULT true CHECK (is_head),
  position bigint  NOT NULL,
  hash     bytea   NOT NULL
) WITH (fillfactor = 10);   -- every append updates it: leaves room for HOT updates
INSERT INTO watchword.audit_head (position, hash) VALUES (0, decode(repeat('00', 32), 'hex'));

CREATE FUNCTION watchword.audit_field(p_value bytea) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN p_value IS NULL THEN '\xffffffff'::bytea ELSE int4send(octet_length(p_value)) || p_value END
$$;

-- The only way to append. Runs with its owner's rights: a service needs no right but to execute it.
CREATE FUNCTION watchword.append_audit(
  p_event_id text, p_stream text, p_sequence bigint, p_subject text, p_key text, p_actor text, p_origin text,
  p_correlation_id text, p_occurred_at timestamptz, p_payload bytea) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
  v_position   bigint;
  v_previous   bytea;
  v_salt       bytea := uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid());   -- 244 of its 256 bits are random
  v_commitment bytea;
  v_hash       bytea;
BEGIN
  v_commitment := sha256(
    watchword.audit_field(v_salt) ||
    watchword.audit_field(convert_to(p_correlation_id, 'UTF8')) ||
    watchword.audit_field(p_payload));
  SELECT h.position + 1, h.hash INTO STRICT v_position, v_previous FROM watchword.audit_head h FOR UPDATE;
  v_hash := sha256(
    watchword.audit_field(int8send(v_position)) ||
    watchword.audit_field(convert_to(p_event_id, 'UTF8')) ||
    watchword.audit_field(convert_to(p_stream, 'UTF8')) ||
    watchword.audit_field(int8send(p_sequence)) ||
    watchword.audit_field(convert_to(p_subject, 'UTF8')) ||
    watchword.audit_field(convert_to(p_key, 'UTF8')) ||
    watchword.audit_field(convert_to(p_actor, 'UTF8')) ||
    watchword.audit_field(convert_to(p_origin, 'UTF8')) ||
    watchword.audit_field(timestamptz_send(p_occurred_at)) ||
    watchword.audit_field(v_commitment) ||
    watchword.audit_field(v_previous));
  INSERT INTO watchword.audit_log VALUES (v_position, p_event_id, p_stream, p_sequence, p_subject, p_key, p_actor, p_origin,
                                          p_occurred_at, v_commitment, v_previous, v_hash, v_salt, p_correlation_id, p_payload);
  UPDATE watchword.audit_head SET position = v_position, hash = v_hash;
  RETURN v_position;
END $$;

CREATE FUNCTION watchword.refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%.% is append-only: % is refused', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'insufficient_privilege', HINT = 'To correct an entry, append another one.';
END $$;
CREATE TRIGGER audit_log_only_grows BEFORE DELETE OR TRUNCATE ON watchword.audit_log
  FOR EACH STATEMENT EXECUTE FUNCTION watchword.refuse_audit_change();
CREATE TRIGGER audit_head_stays BEFORE DELETE OR TRUNCATE ON watchword.audit_head
  FOR EACH STATEMENT EXECUTE FUNCTION watchword.refuse_audit_change();

-- The only update: salt and content go together, and nothing else changes. Verification then asks for the row that records
-- the erasure.
CREATE FUNCTION watchword.allow_audit_erasure() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  OLD.salt := NULL;
  OLD.correlation_id := NULL;
  OLD.payload := NULL;
  IF NEW IS NOT DISTINCT FROM OLD THEN RETURN NEW; END IF;
  RAISE EXCEPTION '%.% is append-only: % is refused', TG_TABLE_SCHEMA, TG_TABLE_NAME, TG_OP
    USING ERRCODE = 'insufficient_privilege', HINT = 'To correct an entry, append another one. To erase a person: ./run audit erase.';
END $$;
CREATE TRIGGER audit_log_is_only_erased BEFORE UPDATE ON watchword.audit_log
  FOR EACH ROW EXECUTE FUNCTION watchword.allow_audit_erasure();
