// Reads a durable pull consumer with the official NATS client, which it creates if asked to, and acks what it read.
// stdin: {"nats", "stream", "durable", "create", "count"}   stdout: [{seq, data, redelivered}…]
import { AckPolicy } from 'nats';
import { answer, connection, input, text } from './nats.mjs';

const { stream, durable, create, count } = input;
if (create)
  await (await connection.jetstreamManager()).consumers.add(stream, { durable_name: durable, ack_policy: AckPolicy.Explicit, ack_wait: 30e9 });
const consumer = await connection.jetstream().consumers.get(stream, durable);
const seen = [];
const messages = await consumer.consume({ max_messages: 100 });
for await (const message of messages) {
  seen.push({ seq: message.seq, data: text(message.data), redelivered: message.redelivered });
  if (!(await message.ackAck())) throw new Error(`no ack for ${message.seq}`);
  if (seen.length === count) {
    // What was fetched ahead goes back at once, rather than after the ack wait.
    messages.stop();
    for await (const ahead of messages) ahead.nak();
    break;
  }
}
await connection.flush();
await answer(seen);
