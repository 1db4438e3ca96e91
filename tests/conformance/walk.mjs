// The main job seen from outside: signs up, logs in, refreshes and logs out over HTTP, and reads what the official
// NATS client finds in the streams.
// stdin: {"http", "nats", "email"}   stdout: {"steps": [{status, body}…], "refused": [status…], "events": […], "changes": […]}
import { connect } from 'nats';
import { readFileSync } from 'node:fs';

const { http, nats, email } = JSON.parse(readFileSync(0, 'utf8'));

async function call(method, path, body, token) {
  const answer = await fetch(http + path, {
    method,
    headers: {
      ...(body ? { 'content-type': 'application/json' } : {}),
      ...(token ? { authorization: `Bearer ${token}` } : {}),
      'user-agent': 'walk/1.0',
    },
    body: body && JSON.stringify(body),
  });
  return { status: answer.status, body: await answer.json() };
}

const register = await call('POST', '/auth/register', { email, password: 'password123', name: 'Test User' });
const login = await call('POST', '/auth/login', { email, password: 'password123' });
const refresh = await call('POST', '/auth/refresh', { refreshToken: login.body.refreshToken });
const me = await call('GET', '/auth/me', undefined, refresh.body.accessToken);
const logout = await call('POST', '/auth/logout', undefined, refresh.body.accessToken);
const refused = [
  await call('GET', '/auth/me', undefined, refresh.body.accessToken),
  await call('GET', '/auth/me', undefined, login.body.accessToken),
  await call('POST', '/auth/refresh', { refreshToken: login.body.refreshToken }),
  await call('POST', '/auth/refresh', { refreshToken: refresh.body.refreshToken }),
];

const userId = register.body.user.id;
const url = new URL(nats);
const connection = await connect({ servers: url.host, user: url.username || undefined, pass: url.password || undefined });
const jetstream = connection.jetstream();

// A durable-less consumer over the whole stream, until the user's expected messages are there.
async function read(stream, count, userOf) {
  const consumer = await jetstream.consumers.get(stream);
  const found = [];
  const deadline = Date.now() + 20_000;
  while (found.length < count && Date.now() < deadline) {
    const message = await consumer.next({ expires: 1000 });
    if (!message) continue;
    const body = message.json();
    if (userOf(body) === userId) found.push({ subject: message.subject, body, messageId: message.headers?.get('Nats-Msg-Id') });
  }
  return found;
}

const events = await read('auth-events', 4, (body) => body.data.userId);
const changes = await read('identity-changes', 1, (body) => body.data.userId);
await connection.close();
console.log(JSON.stringify({ steps: [register, login, refresh, me, logout], refused: refused.map((r) => r.status), events, changes }));
