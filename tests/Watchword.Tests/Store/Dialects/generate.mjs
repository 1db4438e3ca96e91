// Writes better-auth-VERSION.sql: the schema that Better Auth's own migration of that version makes on an empty database.
//   npm install --legacy-peer-deps better-auth@1.7.25 @better-auth/api-key @better-auth/passkey pg
//   node generate.mjs 1.7.25 all postgres://postgres@127.0.0.1/empty    (core: without plugins)
import { writeFileSync } from 'node:fs'
import { betterAuth } from 'better-auth'
import { getMigrations } from 'better-auth/db/migration'
import pg from 'pg'

const [version, which, url] = process.argv.slice(2)
let plugins = []
if (which === 'all') {
  const p = await import('better-auth/plugins')
  const { apiKey } = await import('@better-auth/api-key')
  const { passkey } = await import('@better-auth/passkey')
  plugins = [p.admin(), p.organization({ teams: { enabled: true }, dynamicAccessControl: { enabled: true } }), p.jwt(), p.username(),
    p.anonymous(), p.phoneNumber(), p.twoFactor(), apiKey(), passkey()]
}
const database = new pg.Pool({ connectionString: url })
const options = { database, secret: 'x'.repeat(40), baseURL: 'http://localhost:3000', emailAndPassword: { enabled: true }, plugins }
betterAuth(options)
const statements = (await (await getMigrations(options)).compileMigrations()).split(/;\s*/).filter(s => s.trim())
writeFileSync(`better-auth-${version}.sql`, `-- Made by generate.mjs from the migration of better-auth ${version}.\n\n${statements.join(';\n\n')};\n`)
await database.end()
