// A trace that begins here, goes through Watchword's client and comes back.
// stdin: {"nats", "there", "back", "traceparent", "tracestate"}   stdout: the headers of what came back
import { headers } from 'nats';
import { answer, bytes, connection, input } from './nats.mjs';

const back = connection.subscribe(input.back, { max: 1 });
const context = headers();
context.set('traceparent', input.traceparent);
context.set('tracestate', input.tracestate);
connection.publish(input.there, bytes('hello'), { headers: context });
for await (const message of back)
  await answer({ traceparent: message.headers.get('traceparent'), tracestate: message.headers.get('tracestate') });
