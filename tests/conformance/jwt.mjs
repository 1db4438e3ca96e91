// Makes the keys and JWTs of an operator, an account and a user with the official libraries, as nsc would.
// Prints the server's configuration and the user's credentials file as JSON.
import { createRequire } from "node:module";
const require = createRequire(import.meta.url);
const { encodeOperator, encodeAccount, encodeUser, fmtCreds } = require("nats-jwt");
const { createOperator, createAccount, createUser } = require("nkeys.js");

const operator = createOperator(), account = createAccount(), user = createUser();
const operatorJwt = await encodeOperator("O", operator);
const accountJwt = await encodeAccount("A", account, { limits: { conn: -1, subs: -1, data: -1, payload: -1 } }, { signer: operator });
const unlimited = { subs: -1, data: -1, payload: -1 };
const expiry = { exp: Math.floor(Date.now() / 1000) + 3600 };
const userJwt = await encodeUser("U", user, account, unlimited, expiry);
const stranger = createAccount();
const strangerJwt = await encodeUser("S", user, stranger, unlimited, expiry);

console.log(JSON.stringify({
  config: `operator: ${operatorJwt}\nresolver: MEMORY\nresolver_preload: { ${account.getPublicKey()}: ${accountJwt} }\n`,
  creds: new TextDecoder().decode(fmtCreds(userJwt, user)),
  strangerCreds: new TextDecoder().decode(fmtCreds(strangerJwt, user)),
  publicKey: user.getPublicKey(),
}));
