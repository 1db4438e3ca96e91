// With the official NATS client, as a user with few rights: reads and acks its own durable, then asks for what it may not.
// stdin: {"nats", "inbox", "stream", "durable", "count", "refused": [subject…]}   stdout: {"read": [seq…], "refused": {subject: code}}
import { answer, connection, input } from './nats.mjs';

const consumer = await connection.jetstream().consumers.get(input.stream, input.durable);
const read = [];
for await (const message of await consumer.fetch({ max_messages: input.count, expires: 10_000 })) {
  read.push(message.seq);
  if (!(await message.ackAck())) throw new Error(`no ack for ${message.seq}`);
}
const refused = {};
for (const subject of input.refused)
  refused[subject] = await connection.request(subject, '{}', { timeout: 5_000 }).then(() => 'answered', error => error.code);
await answer({ read, refused });
