using System.Text.Json;
using Watchword.Events.Contracts;

namespace Watchword.Tests.Store;

/// <summary>Promise 1: no change without its event, whoever makes it.</summary>
public class CaptureTests(PostgresFixture postgres)
{
    private const string Ada = """INSERT INTO "user" (id, name, email, "emailVerified") VALUES ('u1', 'Ada', 'ada@example.com', false);""";
    private const string Acme = """INSERT INTO organization (id, name, slug, "createdAt") VALUES ('o1', 'Acme', 'acme', now());""";
    private const string AdaInAcme = """INSERT INTO member (id, "organizationId", "userId", role, "createdAt") VALUES ('m1', 'o1', 'u1', 'owner', now());""";

    private sealed record Row(long Position, Guid Id, string Subject, string Key, string Payload)
    {
        public JsonElement Json { get; } = JsonDocument.Parse(Payload).RootElement;
        public string Event => Json.TryGetProperty("event", out var e) ? e.GetString()! : Json.GetProperty("subject").GetString()!;
        public JsonElement Data => Json.GetProperty("data");
    }

    private static async Task<List<Row>> EventsAsync(TestDatabase db, long after = 0) =>
        await db.QueryAsync<Row>("SELECT position, id, subject, key, payload::text FROM watchword.outbox WHERE position > @after ORDER BY position", new { after });

    [Fact]
    public async Task A_new_user_emits_a_change_event_and_a_registration()
    {
        await using var db = await postgres.IdentityAsync();
        await db.ExecuteAsync(Ada);

        var events = await EventsAsync(db);

        Assert.Equal(["user.created", "auth.user.registered"], events.Select(e => e.Event));
        var created = events[0];
        Assert.Equal("user.sync", created.Subject);
        Assert.Equal(["event", "timestamp", "data", "id", "version", "schemaVersion"], created.Json.EnumerateObject().Select(p => p.Name));
        Assert.Equal(["userId", "email", "phone", "name", "emailVerified", "isAnonymous", "isActive", "roles", "organizationId"],
            created.Data.EnumerateObject().Select(p => p.Name));
        Assert.Equal("org_default", created.Data.GetProperty("organizationId").GetString());
        Assert.Equal("""["user"]""", created.Data.GetProperty("roles").GetRawText());
        Assert.Equal(created.Position, created.Json.GetProperty("version").GetInt64());
        Assert.Equal(7, created.Id.Version);
        Assert.Equal(created.Id, created.Json.GetProperty("id").GetGuid());
        Assert.Matches(@"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$", created.Json.GetProperty("timestamp").GetString());

        var registered = events[1];
        Assert.Equal(["subject", "data", "metadata"], registered.Json.EnumerateObject().Select(p => p.Name));
        Assert.Equal(["userId", "email", "name", "timestamp"], registered.Data.EnumerateObject().Select(p => p.Name));
        Assert.Equal(["service", "version", "environment", "eventId", "correlationId", "schemaVersion"],
            registered.Json.GetProperty("metadata").EnumerateObject().Select(p => p.Name));
    }

    [Fact]
    public async Task Every_event_of_the_catalogue_is_assigned_to_its_stream()
    {
        await using var db = await postgres.IdentityAsync();
        var types = EventCatalogue.All.Where(t => t.Stream == Streams.AuthEvents.Name || t.Stream == Streams.IdentityChanges.Name).ToList();
        Assert.Equal(2, types.DistinctBy(t => t.Stream).Count());
        foreach (var type in types)
            await db.ExecuteAsync("SELECT watchword.append(nextval('watchword.outbox_position'), gen_random_uuid(), @Subject, 'k', '{}', now())", new { type.Subject });
        Assert.Equal(types.Select(t => $"{t.Subject} {t.Stream}"), await db.QueryAsync<string>("SELECT subject || ' ' || stream FROM watchword.outbox ORDER BY position"));
    }

    [Fact]
    public async Task A_rolled_back_change_emits_no_event()
    {
        await using var db = await postgres.IdentityAsync();
        await db.ExecuteAsync("BEGIN;" + Ada + "ROLLBACK;");
        Assert.Empty(await EventsAsync(db));
    }

    [Fact]
    public async Task An_update_that_changes_nothing_emits_no_event()
    {
        await using var db = await postgres.IdentityAsync();
        await db.ExecuteAsync(Ada);
        await db.ExecuteAsync("""UPDATE "user" SET name = name""");
        Assert.DoesNotContain(await EventsAsync(db), e => e.Event == "user.updated");
        await db.ExecuteAsync("""UPDATE "user" SET banned = true, role = 'user, admin'""");
        var updated = Assert.Single(await EventsAsync(db), e => e.Event == "user.updated");
        Assert.False(updated.Data.GetProperty("isActive").GetBoolean());
        Assert.Equal("""["user","admin"]""", updated.Data.GetProperty("roles").GetRawText());
    }

    [Fact]
    public async Task A_first_membership_moves_the_user_into_the_organization_and_a_later_one_does_not()
    {
        await using var db = await postgres.IdentityAsync();
        await db.ExecuteAsync(Ada + Acme + """INSERT INTO organization (id, name, slug, "createdAt") VALUES ('o2', 'Beta', 'beta', now());""");
        var before = (await EventsAsync(db)).Max(e => e.Position);

        await db.ExecuteAsync(AdaInAcme);
        var first = await EventsAsync(db, before);
        Assert.Equal(["user.updated", "organizationMembership.created"], first.Select(e => e.Event));
        Assert.Equal("o1", first[0].Data.GetProperty("organizationId").GetString());
        Assert.Equal("o1", first[1].Key);

        await db.ExecuteAsync("""INSERT INTO member (id, "organizationId", "userId", role, "createdAt") VALUES ('m2', 'o2', 'u1', 'member', now() + interval '1 second')""");
        Assert.Equal(["organizationMembership.created"], (await EventsAsync(db, first[^1].Position)).Select(e => e.Event));
    }

    [Fact]
    public async Task A_role_change_emits_its_own_event()
    {
        await using var db = await postgres.IdentityAsync();
        await db.ExecuteAsync(Ada + Acme + AdaInAcme);
        var before = (await EventsAsync(db)).Max(e => e.Position);
        await db.ExecuteAsync("UPDATE member SET role = 'admin'");
        Assert.Equal(["organizationMembership.updated", "member.role.changed"], (await EventsAsync(db, before)).Select(e => e.Event));
    }

    [Fact]
    public async Task An_invitation_emits_events_from_creation_to_its_end()
    {
        await using var db = await postgres.IdentityAsync();
        await db.ExecuteAsync(Ada + Acme);
        var before = (await EventsAsync(db)).Max(e => e.Position);
        foreach (var (id, end) in ((string, string)[])[("i1", "accepted"), ("i2", "rejected"), ("i3", "canceled")])
            await db.ExecuteAsync($"""
                INSERT INTO invitation (id, "organizationId", email, role, status, "expiresAt", "inviterId") VALUES ('{id}', 'o1', 'b@example.com', 'member', 'pending', now(), 'u1');
                UPDATE invitation SET status = '{end}' WHERE id = '{id}'
                """);
        Assert.Equal(
            ["invitation.created", "invitation.accepted", "invitation.created", "invitation.rejected", "invitation.created", "invitation.canceled"],
            (await EventsAsync(db, before)).Select(e => e.Event));
    }

    [Fact]
    public async Task A_deleted_user_leaves_a_tombstone_and_its_memberships_end()
    {
        await using var db = await postgres.IdentityAsync();
        await db.ExecuteAsync(Ada + Acme + AdaInAcme);
        var before = (await EventsAsync(db)).Max(e => e.Position);
        await db.ExecuteAsync("""DELETE FROM "user" """);
        var events = await EventsAsync(db, before);
        Assert.Equal(["user.deleted", "organizationMembership.deleted"], events.Select(e => e.Event));
        Assert.Equal(events[0].Position, await db.ScalarAsync<long>("SELECT version FROM watchword.entity_version WHERE id = 'u1' AND deleted_at IS NOT NULL"));
    }

    [Fact]
    public async Task A_deleted_organization_stays_deleted_although_its_memberships_end_after_it()
    {
        await using var db = await postgres.IdentityAsync();
        await db.ExecuteAsync(Ada + Acme + AdaInAcme);
        var before = (await EventsAsync(db)).Max(e => e.Position);
        await db.ExecuteAsync("DELETE FROM organization");
        var events = await EventsAsync(db, before);
        Assert.Equal(["organization.deleted", "user.updated", "organizationMembership.deleted"], events.Select(e => e.Event));
        Assert.Equal("org_default", events[1].Data.GetProperty("organizationId").GetString());
        Assert.True(await db.ScalarAsync<bool>("SELECT deleted_at IS NOT NULL FROM watchword.entity_version WHERE id = 'o1'"));
    }

    [Fact]
    public async Task Truncate_emits_events_too()
    {
        await using var db = await postgres.IdentityAsync();
        await db.ExecuteAsync(Ada);
        await db.ExecuteAsync("""TRUNCATE "user" CASCADE""");
        Assert.Contains(await EventsAsync(db), e => e.Event == "user.deleted");
    }

    [Fact]
    public async Task Events_carry_the_correlation_id_of_their_transaction()
    {
        await using var db = await postgres.IdentityAsync();
        await db.ExecuteAsync("BEGIN; SET LOCAL watchword.correlation_id = 'c-1'; SET LOCAL watchword.actor = 'u9';" + Ada + "COMMIT;");
        Assert.Equal(2, await db.ScalarAsync<int>("""SELECT count(*) FROM watchword.outbox WHERE headers = '{"actor": "u9", "correlationId": "c-1"}'"""));
        Assert.Equal("c-1", (await EventsAsync(db))[1].Json.GetProperty("metadata").GetProperty("correlationId").GetString());
    }

    [Fact]
    public async Task Versions_rise_in_commit_order_within_an_organization_although_two_joiners_share_no_row()
    {
        await using var db = await postgres.IdentityAsync();
        await db.ExecuteAsync(Ada + Acme + """INSERT INTO "user" (id, name, email, "emailVerified") VALUES ('u2', 'Bob', 'bob@example.com', false);""");
        await using var first = await db.Source.OpenConnectionAsync();
        await using var transaction = await first.BeginTransactionAsync();
        await new Npgsql.NpgsqlCommand(AdaInAcme, first, transaction).ExecuteNonQueryAsync();

        var second = db.ExecuteAsync("""INSERT INTO member (id, "organizationId", "userId", role, "createdAt") VALUES ('m2', 'o1', 'u2', 'member', now())""");
        while (await db.ScalarAsync<int>("SELECT count(*) FROM pg_locks WHERE NOT granted") == 0)
            Assert.False(second.IsCompleted, "the second joiner must wait for the first");
        await transaction.CommitAsync();
        await second;

        var joins = (await EventsAsync(db)).Where(e => e.Event == "organizationMembership.created").ToList();
        Assert.Equal(["u1", "u2"], joins.Select(e => e.Data.GetProperty("userId").GetString()!));
    }

    [Fact]
    public async Task A_version_is_drawn_when_the_wait_for_the_organization_is_over()
    {
        static string Invite(string id) => $"""INSERT INTO invitation (id, "organizationId", email, role, status, "expiresAt", "inviterId") VALUES ('{id}', 'o1', 'b@example.com', 'member', 'pending', now(), 'u1')""";

        await using var db = await postgres.IdentityAsync();
        await db.ExecuteAsync(Ada + Acme);
        await using var first = await db.Source.OpenConnectionAsync();
        await using var transaction = await first.BeginTransactionAsync();
        await new Npgsql.NpgsqlCommand(Invite("i1"), first, transaction).ExecuteNonQueryAsync();
        var second = db.ExecuteAsync(Invite("i2"));
        while (await db.ScalarAsync<int>("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'") == 0)
            Assert.False(second.IsCompleted, "the second must wait for the first");
        await new Npgsql.NpgsqlCommand(Invite("i3"), first, transaction).ExecuteNonQueryAsync();
        await transaction.CommitAsync();
        await second;

        var invitations = (await EventsAsync(db)).Where(e => e.Event == "invitation.created");
        Assert.Equal(["i1", "i3", "i2"], invitations.Select(e => e.Data.GetProperty("invitationId").GetString()!));
    }

    [Fact]
    public async Task Positions_start_at_the_installation_s_time_in_microseconds()
    {
        await using var db = await postgres.IdentityAsync();
        await db.ExecuteAsync(Ada);
        var position = (await EventsAsync(db))[0].Position;
        var age = DateTimeOffset.UtcNow - DateTimeOffset.UnixEpoch.AddMicroseconds(position);
        Assert.InRange(age, TimeSpan.Zero, TimeSpan.FromMinutes(10));
    }

    [Fact]
    public async Task A_database_restored_from_a_backup_hands_out_no_version_twice()
    {
        await using var db = await postgres.IdentityAsync();
        await db.ExecuteAsync(Ada);
        var backup = await db.ScalarAsync<long>("SELECT last_value FROM watchword.outbox_position");
        await db.ExecuteAsync("SELECT setval('watchword.outbox_position', last_value - 3600000000) FROM watchword.outbox_position");   // like a backup from an hour ago
        await db.ExecuteAsync("SELECT watchword.raise_position()");
        await db.ExecuteAsync("""UPDATE "user" SET name = 'after'""");
        var after = (await EventsAsync(db)).Max(e => e.Position);
        Assert.True(after > backup, $"{after} was handed out before: the backup had reached {backup}");

        // It never moves back, whatever the clock says.
        await db.ExecuteAsync("SELECT setval('watchword.outbox_position', 9000000000000000); SELECT watchword.raise_position()");
        Assert.Equal(9_000_000_000_000_000, await db.ScalarAsync<long>("SELECT last_value FROM watchword.outbox_position"));
    }
}
