// Reads a durable pull consumer with the official NATS client, which it creates if asked to, and acks what it read.
// stdin: {"nats", "stream", "durable", "create", "count"}   stdout: [{seq, data, redelivered}…]
import { AckPolicy } from 'nats';
import { answer, connection, input, text } from './nats.mjs';

const { stream, durable, create, count } = input;
if (create)
  await (await connection.jetstreamManager()).consumers.add(stream, { durable_name: durable, ack_policy: AckPolicy.Explicit, ack_wait: 30e9 });
const consumer = await connection.jetstream().consumers.get(stream, durable);
const seen = [];
for await (const message of await consumer.fetch({ max_messages: count, expires: 10_000 })) {
  seen.push({ seq: message.seq, data: text(message.data), redelivered: message.redelivered });
  if (!(await message.ackAck())) throw new Error(`no ack for ${message.seq}`);
}
await answer(seen);
