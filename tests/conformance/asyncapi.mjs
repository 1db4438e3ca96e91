// Parses an AsyncAPI document with the official parser, and holds payloads against its schemas.
// stdin: {"document", "payloads": [{"message", "payload"}…]}
// stdout: {"version", "channels": [address…], "operations": n, "diagnostics": [{severity, code, message, path}…],
//          "invalid": [{message, path, error, payload}…]}
import { Parser } from '@asyncapi/parser';
import Ajv from 'ajv';
import addFormats from 'ajv-formats';
import { readFileSync } from 'node:fs';

const severities = ['error', 'warning', 'information', 'hint'];
const input = JSON.parse(readFileSync(0, 'utf8'));
const { document, diagnostics } = await new Parser().parse(JSON.stringify(input.document));

const ajv = addFormats(new Ajv({ allowUnionTypes: true, strictRequired: true, keywords: ['x-parser-schema-id'] }));
const check = Object.fromEntries(document?.components().messages().all().map((m) => [m.id(), ajv.compile(m.payload().json())]) ?? []);
const examples = document?.components().messages().all().flatMap((m) => m.examples().all().map((e) => ({ message: m.id(), payload: e.payload() }))) ?? [];
const invalid = [];
for (const { message, payload } of [...examples, ...input.payloads]) {
  if (check[message]?.(payload)) continue;
  const errors = check[message]?.errors ?? [{ instancePath: '', message: 'no such message' }];
  for (const e of errors) invalid.push({ message, path: e.instancePath, error: e.message, payload });
}
console.log(JSON.stringify({
  version: document?.version(),
  channels: document?.allChannels().all().map((c) => c.address()) ?? [],
  operations: document?.allOperations().all().length,
  diagnostics: diagnostics.map((d) => ({ severity: severities[d.severity], code: d.code, message: d.message, path: d.path.join('.') })),
  invalid,
}));
