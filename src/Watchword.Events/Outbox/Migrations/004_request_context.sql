-- The client's address and program, for enrichment; kept in the outbox, never published as headers.
CREATE OR REPLACE FUNCTION watchword.context() RETURNS jsonb LANGUAGE sql STABLE AS $$
  SELECT nullif(jsonb_strip_nulls(jsonb_build_object(
    'correlationId', nullif(current_setting('watchword.correlation_id', true), ''),
    'actor',         nullif(current_setting('watchword.actor', true), ''),
    'origin',        nullif(current_setting('watchword.origin', true), ''),
    'traceparent',   nullif(current_setting('watchword.traceparent', true), ''),
    'ip',            nullif(current_setting('watchword.client_ip', true), ''),
    'userAgent',     nullif(current_setting('watchword.user_agent', true), ''))), '{}'::jsonb)
$$;
