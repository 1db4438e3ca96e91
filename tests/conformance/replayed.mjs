// Reads what a stream holds with the official NATS client, through an ordered consumer or a durable one that exists.
// stdin: {"nats", "stream", "durable", "count"}   stdout: [{subject, seq, headers: {name: value}, event}…]
import { answer, connection, input, text } from './nats.mjs';

const { stream, durable, count } = input;
const consumer = await connection.jetstream().consumers.get(stream, durable ?? undefined);
const seen = [];
for await (const message of await consumer.fetch({ max_messages: count, expires: 10_000 })) {
  const headers = Object.fromEntries([...(message.headers?.keys() ?? [])].map(name => [name, message.headers.get(name)]));
  seen.push({ subject: message.subject, seq: message.seq, headers, event: JSON.parse(text(message.data)) });
  if (durable) message.ack();
}
await answer(seen);
