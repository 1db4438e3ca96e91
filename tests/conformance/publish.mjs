// Publishes JSON messages to JetStream with the official NATS client.
// stdin: {"nats", "subject", "messages": [text…]}   stdout: the number of acks
import { connect } from 'nats';
import { readFileSync } from 'node:fs';

const { nats, subject, messages } = JSON.parse(readFileSync(0, 'utf8'));
const url = new URL(nats);
const connection = await connect({ servers: url.host, user: url.username || undefined, pass: url.password || undefined });
const jetstream = connection.jetstream();
let acks = 0;
for (const message of messages) if ((await jetstream.publish(subject, message)).seq > 0) acks++;
await connection.close();
console.log(acks);
