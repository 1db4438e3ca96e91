// Checks our nkeys with the official library: reads {seed, nonce, sig, publicKey}, prints what it makes of them.
import { createRequire } from "node:module";
import { readFileSync } from "node:fs";
const { fromSeed, fromPublic } = createRequire(import.meta.url)("nkeys.js");

const { seed, nonce, sig, publicKey } = JSON.parse(readFileSync(0, "utf8"));
const bytes = new TextEncoder();
const theirs = fromSeed(bytes.encode(seed));
console.log(JSON.stringify({
  publicKey: theirs.getPublicKey(),
  valid: fromPublic(publicKey).verify(bytes.encode(nonce), Buffer.from(sig, "base64url")),
  sig: Buffer.from(theirs.sign(bytes.encode(nonce))).toString("base64url"),
}));
