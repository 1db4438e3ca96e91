// Publishes to JetStream with message ids, with the official NATS client.
// stdin: {"nats", "subject", "ids": [id…]}   stdout: [{seq, duplicate}…]
import { answer, bytes, connection, input } from './nats.mjs';

const jetstream = connection.jetstream();
const acks = [];
for (const id of input.ids) {
  const { seq, duplicate } = await jetstream.publish(input.subject, bytes(`js ${id}`), { msgID: id });
  acks.push({ seq, duplicate });
}
await answer(acks);
