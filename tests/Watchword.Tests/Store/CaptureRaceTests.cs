using Npgsql;

namespace Watchword.Tests.Store;

/// <summary>A user's latest event matches the tables, whatever concurrent transactions changed, and in which order.</summary>
public class CaptureRaceTests(PostgresFixture postgres)
{
    private const string Ban = """UPDATE "user" SET banned = true, name = 'Lovelace' WHERE id = 'u1'""";

    [Theory]
    [InlineData("ban", "join o1")]
    [InlineData("join o1", "ban")]
    [InlineData("join o1", "join o2")]
    [InlineData("join o2", "join o1")]
    [InlineData("leave o1", "leave o2")]
    [InlineData("leave o2", "leave o1")]
    [InlineData("ban", "leave o1")]
    [InlineData("move o1 to o3", "leave o2")]
    public async Task A_user_s_last_event_matches_the_tables(string first, string second)
    {
        await using var db = await SetUpAsync();
        if (!first.StartsWith("join", StringComparison.Ordinal) && !second.StartsWith("join", StringComparison.Ordinal))
            await db.ExecuteAsync(Sql("join o1") + ";" + Sql("join o2"));

        await using (var transaction = await Open.BeginAsync(db))
        {
            await transaction.RunAsync(Sql(first));
            var waiting = db.ExecuteAsync(Sql(second));
            while (await db.ScalarAsync<int>("SELECT count(*) FROM pg_locks WHERE NOT granted") == 0)
                Assert.False(waiting.IsCompleted, "the second must wait: both change the same user");
            await transaction.CommitAsync();
            await waiting;
        }

        await AssertLastEventMatchesAsync(db);
    }

    [Fact]
    public async Task The_last_event_includes_what_another_trigger_changed()
    {
        await using var db = await SetUpAsync();
        // Its name makes it fire before ours, so its own change is captured before the change that fired it.
        await db.ExecuteAsync("""
            CREATE FUNCTION trim_name() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN UPDATE "user" SET name = trim(name) WHERE id = NEW.id AND name <> trim(name); RETURN NULL; END $$;
            CREATE TRIGGER a_trim AFTER INSERT OR UPDATE ON "user" FOR EACH ROW EXECUTE FUNCTION trim_name();
            """);

        await db.ExecuteAsync("""UPDATE "user" SET name = '  Countess  '""");
        await AssertLastEventMatchesAsync(db);
    }

    [Fact]
    public async Task Transactions_that_add_many_users_to_one_organization_do_not_deadlock()
    {
        await using var db = await SetUpAsync();
        await using var many = await Open.BeginAsync(db);
        await many.RunAsync(Join("m1", "o1", "u1"));
        var one = db.ExecuteAsync(Join("m2", "o1", "u2"));
        while (await db.ScalarAsync<int>("SELECT count(*) FROM pg_locks WHERE NOT granted") == 0)
            Assert.False(one.IsCompleted, "the events of one organization are in order");
        await many.RunAsync(Join("m3", "o2", "u2"));
        await many.CommitAsync();
        await one;
        await AssertLastEventMatchesAsync(db);
    }

    [Fact]
    public async Task A_changed_id_ends_one_entity_and_starts_another()
    {
        await using var db = await SetUpAsync();
        await db.ExecuteAsync("""UPDATE "user" SET id = 'u9' WHERE id = 'u1'""");
        await db.ExecuteAsync("UPDATE organization SET id = 'o9' WHERE id = 'o1'");
        await db.ExecuteAsync(Join("m1", "o9", "u9") + ";UPDATE member SET \"organizationId\" = 'o2'");

        Assert.Equal(
            [
                "u1 user.deleted", "u9 user.created", "o1 organization.deleted", "o9 organization.created", "u9 user.updated", "o9 organizationMembership.created",
                "u9 user.updated", "o9 organizationMembership.deleted", "o2 organizationMembership.created",
            ],
            (await db.QueryAsync<string>("SELECT key || ' ' || (payload ->> 'event') FROM watchword.outbox WHERE payload ->> 'event' IS NOT NULL ORDER BY position")).Skip(5));
        Assert.Equal(["o1", "u1"], await db.QueryAsync<string>("SELECT id FROM watchword.entity_version WHERE deleted_at IS NOT NULL ORDER BY id"));
        await AssertLastEventMatchesAsync(db);
    }

    [Fact]
    public async Task Entities_older_than_the_installation_are_locked_too()
    {
        await using var db = await SetUpAsync();
        await db.ExecuteAsync("DELETE FROM watchword.entity_version; DELETE FROM watchword.outbox");
        await using (var transaction = await Open.BeginAsync(db))
        {
            await transaction.RunAsync(Sql("join o1"));
            var waiting = db.ExecuteAsync(Ban);
            while (await db.ScalarAsync<int>("SELECT count(*) FROM pg_locks WHERE NOT granted") == 0)
                Assert.False(waiting.IsCompleted, "the second must wait: both change the same user");
            await transaction.CommitAsync();
            await waiting;
        }
        await AssertLastEventMatchesAsync(db);
    }

    private static string Join(string id, string organization, string user, string at = "now()") =>
        $"""INSERT INTO member (id, "organizationId", "userId", role, "createdAt") VALUES ('{id}', '{organization}', '{user}', 'member', {at})""";

    private static string Sql(string what) => what switch
    {
        "ban" => Ban,
        "join o1" => Join("m1", "o1", "u1"),
        "join o2" => Join("m2", "o2", "u1", "now() + interval '1 s'"),
        "leave o1" => "DELETE FROM member WHERE id = 'm1'",
        "leave o2" => "DELETE FROM member WHERE id = 'm2'",
        _ => "UPDATE member SET \"organizationId\" = 'o3' WHERE id = 'm1'",
    };

    private static async Task AssertLastEventMatchesAsync(TestDatabase db) => Assert.Equal(
        await db.QueryAsync<string>("""SELECT b.data::text FROM "user" u, watchword.user_bodies(ARRAY[u.id]) b WHERE u.id IN (SELECT key FROM watchword.outbox) ORDER BY u.id"""),
        await db.QueryAsync<string>("""
            SELECT DISTINCT ON (key) payload ->> 'data' FROM watchword.outbox
            WHERE subject = 'user.sync' AND key IN (SELECT id FROM "user") ORDER BY key, position DESC
            """));

    private async Task<TestDatabase> SetUpAsync()
    {
        var db = await postgres.IdentityAsync();
        await db.ExecuteAsync("""
            INSERT INTO "user" (id, name, email, "emailVerified") VALUES ('u1', 'Ada', 'ada@example.com', false), ('u2', 'Bob', 'bob@example.com', false);
            INSERT INTO organization (id, name, slug, "createdAt") VALUES ('o1', 'A', 'a', now()), ('o2', 'B', 'b', now()), ('o3', 'C', 'c', now());
            """);
        return db;
    }

    private sealed class Open(NpgsqlConnection connection, NpgsqlTransaction transaction) : IAsyncDisposable
    {
        public static async Task<Open> BeginAsync(TestDatabase db)
        {
            var connection = await db.Source.OpenConnectionAsync();
            return new(connection, await connection.BeginTransactionAsync());
        }

        public async Task RunAsync(string sql)
        {
            await using var command = new NpgsqlCommand(sql, connection, transaction);
            await command.ExecuteNonQueryAsync();
        }

        public Task CommitAsync() => transaction.CommitAsync();

        public async ValueTask DisposeAsync()
        {
            await transaction.DisposeAsync();
            await connection.DisposeAsync();
        }
    }
}
