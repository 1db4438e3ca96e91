// Requests both ways, with the official NATS client: answers those on "js.upper" until "stop", then asks itself.
// stdin: {"nats"}   stdout: {answers: [text…], missing: the code of a request that nobody answers}
import { headers } from 'nats';
import { answer, bytes, connection, text } from './nats.mjs';

const service = connection.subscribe('js.upper');
await connection.flush();
connection.publish('js.ready');
for await (const request of service) {
  if (text(request.data) === 'stop') break;
  const own = headers();
  own.set('X-Asked', request.headers?.get('X-Asked') ?? 'nothing');
  request.respond(bytes(text(request.data).toUpperCase()), { headers: own });
}

const answers = await Promise.all(['a', 'ß', ''].map(async word => text((await connection.request('cs.double', bytes(word))).data)));
const missing = await connection.request('nobody.there').then(() => 'answered', error => error.code);
await answer({ answers, missing });
