// What the scripts that use the official NATS client share: their input, and a connection to the server that it names.
import { connect } from 'nats';
import { readFileSync } from 'node:fs';

export const input = JSON.parse(readFileSync(0, 'utf8'));

const url = new URL(input.nats);
export const connection = await connect({ servers: url.host, user: url.username || undefined, pass: url.password || undefined, ...(input.inbox && { inboxPrefix: input.inbox }) });

export const text = bytes => new TextDecoder().decode(bytes);
export const bytes = text => new TextEncoder().encode(text);

/** Prints the script's answer and ends. */
export async function answer(value) {
  await connection.close();
  console.log(JSON.stringify(value));
}
