// With the official NATS client, as a consumer: reads its own durable and answers in every way, sets a dead letter aside, asks
// for what it may not. On stdin {"nats", "stream", "durable", "refused": [subject…]}; the stream holds three messages.
// On stdout {"read": ["sequence delivery"…], "pending", "ackPending", "deadLetter": sequence, "refused": {subject: code}}.
import { answer, connection, input } from '../../conformance/nats.mjs';

const jetStream = connection.jetstream();
const consumer = await jetStream.consumers.get(input.stream, input.durable);
const read = [];
const answers = [
  async message => { message.working(); return message.ackAck(); },
  async message => message.nak(),
  async message => message.term(),
  async message => message.ackAck(),
];
const messages = await consumer.consume({ max_messages: 10 });
for await (const message of messages) {
  read.push(`${message.seq} ${message.info.redeliveryCount}`);
  await answers[read.length - 1](message);
  if (read.length === answers.length) break;
}
const info = await consumer.info();
const { seq: deadLetter } = await jetStream.publish(`dlq.${input.durable}`, '{}');
const refused = {};
for (const subject of input.refused)
  refused[subject] = await connection.request(subject, '{}', { timeout: 5_000 }).then(() => 'answered', error => error.code);
await answer({ read, pending: info.num_pending, ackPending: info.num_ack_pending, deadLetter, refused });
