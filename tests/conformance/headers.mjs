// Headers both ways, with the official NATS client: takes one message on "to.js", tells what it saw, and sends one back.
// stdin: {"nats"}   stdout: {subject, data, headers: {name: [values…]}, byAnotherCase}
import { headers } from 'nats';
import { answer, bytes, connection, text } from './nats.mjs';

const subscription = connection.subscribe('to.js', { max: 1 });
await connection.flush();
connection.publish('js.ready');
for await (const message of subscription) {
  const seen = Object.fromEntries([...message.headers.keys()].map(name => [name, message.headers.values(name)]));
  const own = headers();
  own.append('X-Many', 'one');
  own.append('X-Many', 'two');
  own.append('X-Many', 'ünïcödé ✓ 日本');
  own.append('x-many', 'another case, another header');
  own.append('X-Colon', 'a: b: c');
  own.append('X-Empty', '');
  connection.publish('to.cs', bytes('grüße'), { headers: own });
  await connection.flush();
  await answer({ subject: message.subject, data: text(message.data), headers: seen, byAnotherCase: message.headers.get('x-MANY') });
}
