// What the official NATS client reads from the stream of dead letters.
// stdin: {"nats", "count"}   stdout: [{subject, headers: {name: value}, body}]
import { AckPolicy } from 'nats';
import { answer, connection, input } from './nats.mjs';

const manager = await connection.jetstreamManager();
const { name } = await manager.consumers.add('dead-letters', { ack_policy: AckPolicy.None });
const consumer = await connection.jetstream().consumers.get('dead-letters', name);
const letters = [];
for await (const message of await consumer.fetch({ max_messages: input.count, expires: 10_000 })) {
  const headers = Object.fromEntries([...message.headers.keys()].map(key => [key, message.headers.get(key)]));
  letters.push({ subject: message.subject, headers, body: message.json() });
}
await answer(letters);
