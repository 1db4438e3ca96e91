-- Set-aside events are kept as every subscriber keeps them, in watchword.parked_event.
INSERT INTO watchword.parked_event (consumer, queue, key, event, stream, sequence, subject, headers, payload, stored_at, parked_at,
                                    state, reason, attempts)
SELECT d.consumer,
       -- Nothing was held back behind these, so that nothing is now: each has a queue of its own.
       E'\u001f' || d.stream || '/' || d.sequence || '/' || d.id,
       d.key, coalesce(d.headers ->> 'Nats-Msg-Id', d.stream || '/' || d.sequence || '/' || d.id), d.stream, d.sequence, d.subject,
       coalesce((SELECT jsonb_agg(jsonb_build_array(h.key, h.value)) FROM jsonb_each_text(d.headers) AS h), '[]'),
       d.payload, d.received_at, d.received_at, 'failed', d.reason, d.attempts
FROM watchword.dead_letter d ORDER BY d.id
ON CONFLICT DO NOTHING;
DROP TABLE watchword.dead_letter;
