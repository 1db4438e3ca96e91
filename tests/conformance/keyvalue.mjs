// A key-value bucket with the official NATS client: does one step after the other and tells what came of each.
// stdin: {"nats", "bucket", "options", "steps": [[verb, key, value?, revision?]…]}   stdout: [result…]
import { answer, bytes, connection, input } from './nats.mjs';

const bucket = await connection.jetstream().views.kv(input.bucket, input.options ?? {});
const short = entry => entry && `${entry.key} ${entry.operation} ${entry.string()} @${entry.revision}`;
const all = async entries => {
  const list = [];
  for await (const entry of await entries) list.push(typeof entry === 'string' ? entry : short(entry));
  return list;
};

const verbs = {
  put: (key, value) => bucket.put(key, bytes(value)),
  create: (key, value) => bucket.create(key, bytes(value)),
  update: (key, value, revision) => bucket.update(key, bytes(value), revision),
  delete: key => bucket.delete(key),
  purge: key => bucket.purge(key),
  get: async key => short(await bucket.get(key)),
  keys: () => all(bucket.keys()),
  history: key => all(bucket.history({ key })),
  status: async () => {
    const { history, ttl, values, streamInfo } = await bucket.status();
    const { description, max_msg_size, max_bytes, storage } = streamInfo.config;
    return { history, ttl, values, description, max_msg_size, max_bytes, storage };
  },
  // Watches until the key "end" is written.
  watch: async () => {
    const list = [];
    const watch = await bucket.watch({ initializedFn: () => connection.publish('js.ready') });
    for await (const entry of watch) {
      list.push(short(entry));
      if (entry.key === 'end') break;
    }
    return list;
  },
};

const results = [];
for (const [verb, ...rest] of input.steps) results.push((await verbs[verb](...rest).catch(error => ({ error: error.api_error?.err_code ?? error.message }))) ?? null);
await answer(results);
