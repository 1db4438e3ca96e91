// The official NATS client as the peer of ./bench/run nats: one order a line on standard input, one answer a line on
// standard output. argv: the server's host:port.
import { connect } from 'nats';
import { createInterface } from 'node:readline';

const servers = process.argv[2];
const connection = await connect({ servers });
const since = (start) => Number(process.hrtime.bigint() - start) / 1e9;
const now = () => process.hrtime.bigint();

// The end of what `subscribe` began.
let received;

const orders = {
  // Until the last ack, with `inFlight` of them outstanding.
  async jetStreamPublish({ subject, count, size, inFlight }) {
    const jetstream = connection.jetstream();
    const payload = new Uint8Array(size);
    let left = count;
    const start = now();
    await Promise.all(Array.from({ length: inFlight }, async () => {
      while (left-- > 0) await jetstream.publish(subject, payload);
    }));
    return { seconds: since(start) };
  },

  // Until the server has read the last ack.
  async consume({ stream, consumer, count, window }) {
    const source = await connection.jetstream().consumers.get(stream, consumer);
    const start = now();
    const messages = await source.consume({ max_messages: window });
    let left = count;
    for await (const message of messages) {
      message.ack();
      if (--left === 0) messages.stop();
    }
    await connection.flush();
    return { seconds: since(start) };
  },

  // Until the PONG to a PING behind the last message.
  async publish({ subject, count, size }) {
    const payload = new Uint8Array(size);
    const start = now();
    for (let left = count; left > 0;) {
      for (let i = Math.min(left, 1000); i > 0; i--, left--) connection.publish(subject, payload);
      await new Promise(setImmediate);
    }
    await connection.flush();
    return { seconds: since(start) };
  },

  async subscribe({ subject, count }) {
    const subscription = connection.subscribe(subject, { max: count });
    received = (async () => {
      let start;
      for await (const _ of subscription) start ??= now();
      return { seconds: since(start) };
    })();
    await connection.flush();
    return {};
  },

  async received() {
    return await received;
  },

  // One after the other, answered by another connection of this process.
  async request({ subject, count, size }) {
    const other = await connect({ servers });
    other.subscribe(subject, { callback: (_, message) => message.respond(message.data) });
    await other.flush();
    const payload = new Uint8Array(size);
    const microseconds = [];
    for (let i = 0; i < count; i++) {
      const start = now();
      await connection.request(subject, payload);
      microseconds.push(since(start) * 1e6);
    }
    await other.close();
    return { microseconds };
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const { order, ...rest } = JSON.parse(line);
  console.log(JSON.stringify(await orders[order](rest)));
}
await connection.close();
