// Signs and verifies HS256 tokens with the jose library.
// stdin: {"secret", "sign": [claims…], "verify": [token…], "issuer", "audience"}
// stdout: {"signed": [token…], "verified": [{claims} | {error}…]}
import { SignJWT, jwtVerify } from 'jose';
import { readFileSync } from 'node:fs';

const input = JSON.parse(readFileSync(0, 'utf8'));
const key = new TextEncoder().encode(input.secret);
const signed = [];
for (const claims of input.sign) signed.push(await new SignJWT(claims).setProtectedHeader({ alg: 'HS256' }).sign(key));
const verified = [];
for (const token of input.verify) {
  try {
    const options = { algorithms: ['HS256'], issuer: input.issuer, audience: input.audience };
    const { payload, protectedHeader } = await jwtVerify(token, key, options);
    verified.push({ claims: payload, header: protectedHeader });
  } catch (error) {
    verified.push({ error: error.code });
  }
}
console.log(JSON.stringify({ signed, verified }));
