using Watchword.Events.Contracts;

namespace Watchword.Tests.Store;

/// <summary>Every mutation of every table that is captured, by SQL: its events in its transaction, and none when it is rolled back.</summary>
public class CatalogueCaptureTests(PostgresFixture postgres)
{
    private const string Setup = """
        INSERT INTO "user" (id, name, email, "emailVerified") VALUES ('u1', 'Ada', 'ada@example.com', true), ('u2', 'Bob', 'bob@example.com', true);
        INSERT INTO organization (id, name, slug, "createdAt") VALUES ('o1', 'Acme', 'acme', now()), ('o2', 'Beta', 'beta', now());
        INSERT INTO member (id, "organizationId", "userId", role, "createdAt") VALUES ('m1', 'o1', 'u1', 'owner', now());
        INSERT INTO invitation (id, "organizationId", email, role, status, "expiresAt", "inviterId") VALUES ('i1', 'o1', 'c@example.com', 'member', 'pending', now(), 'u1'),
          ('i2', 'o1', 'd@example.com', 'member', 'accepted', now(), 'u1');
        INSERT INTO team (id, name, "memberCount", "organizationId", "createdAt") VALUES ('t1', 'Support', 0, 'o1', now());
        INSERT INTO "teamMember" (id, "teamId", "userId") VALUES ('tm1', 't1', 'u1');
        INSERT INTO "organizationRole" (id, "organizationId", role, permission) VALUES ('r1', 'o1', 'auditor', '{}');
        INSERT INTO account (id, "accountId", "providerId", "userId", password, "updatedAt") VALUES ('a1', 'u1', 'credential', 'u1', 'hash-1', now()),
          ('a2', '583231', 'github', 'u1', NULL, now());
        INSERT INTO session (id, token, "userId", "expiresAt", "updatedAt") VALUES ('s1', 'token-1', 'u1', now() + interval '1 day', now()),
          ('s2', 'token-2', 'u1', now() - interval '1 day', now());
        INSERT INTO apikey (id, "configId", "referenceId", key, start, enabled, "createdAt", "updatedAt") VALUES ('k1', 'default', 'u1', 'key-hash-1', 'wwabcd', true, now(), now());
        INSERT INTO passkey (id, "publicKey", "userId", "credentialID", counter, "deviceType", "backedUp") VALUES ('p1', 'public-1', 'u1', 'cred-1', 0, 'singleDevice', false);
        INSERT INTO "twoFactor" (id, secret, "backupCodes", "userId") VALUES ('f1', 'secret-1', 'codes-1', 'u1');
        UPDATE watchword.outbox SET published_at = now();
        """;

    // What is done, and what is published: event, key, and a value that the body holds.
    private static readonly (string Sql, string[] Events)[] Mutations =
    [
        ("""INSERT INTO "user" (id, name, email, "emailVerified") VALUES ('u3', 'Cid', 'cid@example.com', true)""", ["user.created u3", "auth.user.registered u3"]),
        ("""UPDATE "user" SET name = 'Augusta' WHERE id = 'u1'""", ["user.updated u1"]),
        ("""UPDATE "user" SET banned = true WHERE id = 'u1'""", ["user.updated u1"]),
        ("""UPDATE "user" SET name = name""", []),
        ("""UPDATE "user" SET name = name || '!'""", ["user.updated u1", "user.updated u2"]),
        ("""UPDATE "user" SET id = 'u9' WHERE id = 'u2'""", ["user.deleted u2", "user.created u9"]),
        ("""DELETE FROM "user" WHERE id = 'u2'""", ["user.deleted u2"]),
        ("""DELETE FROM "user" WHERE id = 'u1'""", ["account.unlinked u1", "credential.changed u1", "credential.changed u1", "credential.changed u1",
            "organizationMembership.deleted o1", "session.revoked u1", "teamMembership.deleted u1", "user.deleted u1", "invitation.canceled o1"]),
        ("""INSERT INTO organization (id, name, slug, "createdAt") VALUES ('o3', 'Gamma', 'gamma', now())""", ["organization.created o3"]),
        ("UPDATE organization SET name = 'Acme!' WHERE id = 'o1'", ["organization.updated o1"]),
        ("UPDATE organization SET name = name", []),
        ("UPDATE organization SET id = 'o8' WHERE id = 'o2'", ["organization.deleted o2", "organization.created o8"]),
        ("DELETE FROM organization WHERE id = 'o2'", ["organization.deleted o2"]),
        ("DELETE FROM organization WHERE id = 'o1'", ["organization.deleted o1", "organizationMembership.deleted o1", "user.updated u1", "invitation.canceled o1",
            "team.deleted o1", "teamMembership.deleted u1", "organizationRole.deleted o1"]),
        ("""INSERT INTO member (id, "organizationId", "userId", role, "createdAt") VALUES ('m2', 'o1', 'u2', 'member', now())""", ["user.updated u2", "organizationMembership.created o1"]),
        ("""INSERT INTO member (id, "organizationId", "userId", role, "createdAt") VALUES ('m2', 'o2', 'u1', 'member', now() + interval '1 s')""", ["organizationMembership.created o2"]),
        ("""INSERT INTO member (id, "organizationId", "userId", role, "createdAt") VALUES ('m2', 'o2', 'u1', 'member', now() - interval '1 d'), ('m3', 'o2', 'u2', 'member', now())""",
            ["user.updated u1", "user.updated u2", "organizationMembership.created o2", "organizationMembership.created o2"]),
        ("UPDATE member SET role = 'admin'", ["organizationMembership.updated o1", "member.role.changed o1"]),
        ("""UPDATE member SET "createdAt" = "createdAt" - interval '1 day'""", ["user.updated u1", "organizationMembership.updated o1"]),
        ("UPDATE member SET role = role", []),
        ("""UPDATE member SET "organizationId" = 'o2'""", ["user.updated u1", "organizationMembership.deleted o1", "organizationMembership.created o2"]),
        ("DELETE FROM member", ["user.updated u1", "organizationMembership.deleted o1"]),
        ("""INSERT INTO invitation (id, "organizationId", email, role, status, "expiresAt", "inviterId") VALUES ('i3', 'o1', 'e@example.com', 'member', 'pending', now(), 'u1')""", ["invitation.created o1"]),
        ("UPDATE invitation SET status = 'accepted' WHERE id = 'i1'", ["invitation.accepted o1"]),
        ("UPDATE invitation SET status = 'rejected' WHERE id = 'i1'", ["invitation.rejected o1"]),
        ("UPDATE invitation SET status = 'canceled' WHERE id = 'i1'", ["invitation.canceled o1"]),
        ("UPDATE invitation SET status = 'expired' WHERE id = 'i1'", []),
        ("""UPDATE invitation SET "expiresAt" = now() + interval '1 day'""", []),
        ("DELETE FROM invitation", ["invitation.canceled o1"]),
        ("""INSERT INTO team (id, name, "memberCount", "organizationId", "createdAt") VALUES ('t2', 'Sales', 0, 'o1', now())""", ["team.created o1"]),
        ("UPDATE team SET name = 'Help'", ["team.updated o1"]),
        ("""UPDATE team SET "memberCount" = 7, "updatedAt" = now()""", []),
        ("""UPDATE team SET "organizationId" = 'o2'""", ["team.deleted o1", "team.created o2"]),
        ("DELETE FROM team", ["team.deleted o1", "teamMembership.deleted u1"]),
        ("""INSERT INTO "teamMember" (id, "teamId", "userId") VALUES ('tm2', 't1', 'u2')""", ["teamMembership.created u2"]),
        ("""UPDATE "teamMember" SET "userId" = 'u2'""", ["teamMembership.deleted u1", "teamMembership.created u2"]),
        ("""UPDATE "teamMember" SET "createdAt" = now()""", []),
        ("""DELETE FROM "teamMember" """, ["teamMembership.deleted u1"]),
        ("""INSERT INTO "organizationRole" (id, "organizationId", role, permission) VALUES ('r2', 'o1', 'editor', '{}')""", ["organizationRole.created o1"]),
        ("""UPDATE "organizationRole" SET permission = '{"a":["b"]}'""", ["organizationRole.updated o1"]),
        ("""UPDATE "organizationRole" SET "updatedAt" = now()""", []),
        ("""DELETE FROM "organizationRole" """, ["organizationRole.deleted o1"]),
        ("""INSERT INTO account (id, "accountId", "providerId", "userId", "updatedAt") VALUES ('a3', '77', 'google', 'u2', now())""", ["account.linked u2"]),
        ("""INSERT INTO account (id, "accountId", "providerId", "userId", password, "updatedAt") VALUES ('a3', 'u2', 'credential', 'u2', 'hash-2', now())""", ["credential.changed u2"]),
        ("UPDATE account SET password = 'hash-3' WHERE id = 'a1'", ["credential.changed u1"]),
        ("UPDATE account SET password = NULL WHERE id = 'a1'", ["credential.changed u1"]),
        ("""UPDATE account SET "accessToken" = 'token-3', "updatedAt" = now()""", []),
        ("""UPDATE account SET "userId" = 'u2' WHERE id = 'a2'""", ["account.unlinked u1", "account.linked u2"]),
        ("DELETE FROM account", ["account.unlinked u1", "credential.changed u1"]),
        ("""INSERT INTO session (id, token, "userId", "expiresAt", "updatedAt") VALUES ('s3', 'token-3', 'u2', now(), now())""", []),
        ("""UPDATE session SET "expiresAt" = now() + interval '7 days'""", []),
        ("DELETE FROM session", ["session.revoked u1"]),
        ("""INSERT INTO apikey (id, "configId", "referenceId", key, "createdAt", "updatedAt") VALUES ('k2', 'default', 'o1', 'key-hash-2', now(), now())""", ["apiKey.created o1"]),
        ("UPDATE apikey SET enabled = false", ["apiKey.updated u1"]),
        ("""UPDATE apikey SET "requestCount" = 3, remaining = 9, "lastRequest" = now(), "updatedAt" = now()""", []),
        ("DELETE FROM apikey", ["apiKey.deleted u1"]),
        ("""INSERT INTO passkey (id, "publicKey", "userId", "credentialID", counter, "deviceType", "backedUp") VALUES ('p2', 'public-2', 'u2', 'cred-2', 0, 'x', false)""", ["credential.changed u2"]),
        ("UPDATE passkey SET counter = counter + 1", []),
        ("DELETE FROM passkey", ["credential.changed u1"]),
        ("""INSERT INTO "twoFactor" (id, secret, "backupCodes", "userId") VALUES ('f2', 'secret-2', 'codes-2', 'u2')""", ["credential.changed u2"]),
        ("""UPDATE "twoFactor" SET secret = 'secret-3'""", ["credential.changed u1"]),
        ("""UPDATE "twoFactor" SET "failedVerificationCount" = 1""", []),
        ("""DELETE FROM "twoFactor" """, ["credential.changed u1"]),
    ];

    private static readonly string[] Secrets = ["hash-", "token-", "key-hash", "wwabcd", "secret-", "codes-", "public-", "cred-"];

    // Appended by code, not by a trigger.
    private static readonly string[] Acts = ["auth.user.logged_in", "auth.user.logged_out", "auth.user.token_refreshed", "auth.user.login_failed", "auth.user.locked_out", "user.erased"];

    [Fact]
    public async Task Every_mutation_leaves_its_events_and_a_rolled_back_one_none()
    {
        await using var database = await postgres.IdentityAsync();
        await database.ExecuteAsync(Setup);
        await using var connection = await database.Source.OpenConnectionAsync(TestContext.Current.CancellationToken);
        var wrong = new List<string>();
        foreach (var (sql, expected) in Mutations)
        {
            await using var transaction = await connection.BeginTransactionAsync(TestContext.Current.CancellationToken);
            await new Npgsql.NpgsqlCommand(sql, connection, transaction).ExecuteNonQueryAsync(TestContext.Current.CancellationToken);
            var written = new List<(string Event, string Payload)>();
            await using (var reader = await new Npgsql.NpgsqlCommand("SELECT coalesce(payload ->> 'event', subject) || ' ' || key, payload::text, subject FROM watchword.outbox WHERE published_at IS NULL ORDER BY position", connection, transaction)
                .ExecuteReaderAsync(TestContext.Current.CancellationToken))
                while (await reader.ReadAsync(TestContext.Current.CancellationToken))
                {
                    written.Add((reader.GetString(0), reader.GetString(1)));
                    if (EventReader.Read(EventCatalogue.Find(reader.GetString(2))!, System.Text.Encoding.UTF8.GetBytes(reader.GetString(1)), out var fault) is null)
                        wrong.Add($"{sql}: {reader.GetString(2)} cannot be read: {fault}");
                }
            await transaction.RollbackAsync(TestContext.Current.CancellationToken);
            if (!expected.Order(StringComparer.Ordinal).SequenceEqual(written.Select(w => w.Event).Order(StringComparer.Ordinal)))
                wrong.Add($"{sql}: {string.Join(", ", written.Select(w => w.Event))}");
            wrong.AddRange(written.Where(w => Secrets.Any(s => w.Payload.Contains(s, StringComparison.Ordinal))).Select(w => $"{sql}: holds a secret: {w.Payload}"));
            if (await database.ScalarAsync<int>("SELECT count(*) FROM watchword.outbox WHERE published_at IS NULL") != 0)
                wrong.Add($"{sql}: events outlived the rollback");
        }
        Assert.Empty(wrong);
    }

    [Fact]
    public void The_mutations_cover_the_catalogue()
    {
        var covered = Mutations.SelectMany(m => m.Events).Select(e => e.Split(' ')[0]).Select(e => e.StartsWith("user.", StringComparison.Ordinal) ? "user.sync" : e).Distinct();
        var captured = EventCatalogue.All.Where(t => t.Stream != Streams.SecurityAlerts.Name && !Acts.Contains(t.Subject)).Select(t => t.Subject);
        Assert.Equal(captured.Order(StringComparer.Ordinal), covered.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task Truncate_leaves_the_events_of_a_deletion()
    {
        await using var database = await postgres.IdentityAsync();
        await database.ExecuteAsync(Setup);
        foreach (var (table, @event) in ((string, string)[])[("member", "organizationMembership.deleted"), ("\"teamMember\"", "teamMembership.deleted"), ("apikey", "apiKey.deleted"), ("session", "session.revoked"), ("account", "account.unlinked")])
        {
            await database.ExecuteAsync($"TRUNCATE {table}");
            Assert.True(await database.ScalarAsync<bool>("SELECT EXISTS (SELECT 1 FROM watchword.outbox WHERE subject = @event AND published_at IS NULL)", new { @event }), table);
        }
    }
}
