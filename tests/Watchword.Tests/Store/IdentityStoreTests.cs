using Npgsql;
using Watchword.Events.Outbox;
using Watchword.Server.Store;

namespace Watchword.Tests.Store;

/// <summary>A write is one transaction, all or nothing, and is retried if that can help.</summary>
public class IdentityStoreTests(PostgresFixture postgres)
{
    private static readonly ChangeContext Someone = new("c-1", "u9");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static Statement Ada(string id) =>
        new("""INSERT INTO "user" (id, name, email, "emailVerified") VALUES ($1, 'Ada', $1 || '@example.com', false)""", id);

    [Fact]
    public async Task If_the_last_statement_fails_the_first_one_and_its_event_are_rolled_back()
    {
        await using var database = await postgres.IdentityAsync();
        var store = await database.StoreAsync();

        await Assert.ThrowsAsync<PostgresException>(() => store.WriteAsync(Someone, [Ada("u1"), new("SELECT 1 / $1", 0)], r => r.GetInt32(0), Cancel));

        Assert.Equal(0, await database.ScalarAsync<int>("""SELECT (SELECT count(*) FROM "user") + (SELECT count(*) FROM watchword.outbox)"""));
    }

    [Fact]
    public async Task A_write_fails_if_its_commit_fails()
    {
        await using var database = await postgres.IdentityAsync();
        await database.ExecuteAsync("""
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END';
            CREATE CONSTRAINT TRIGGER late AFTER INSERT ON "user" DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION refuse()
            """);
        var store = await database.StoreAsync();
        await Assert.ThrowsAsync<PostgresException>(() => store.WriteAsync(Someone, [Ada("u1"), new("SELECT 7")], r => r.GetInt32(0), Cancel));
        Assert.Equal(0, await database.ScalarAsync<int>("""SELECT count(*) FROM "user" """));
    }

    [Theory]
    [InlineData("40P01", 3, true)]
    [InlineData("40001", 3, true)]
    [InlineData("40001", 4, false)]
    [InlineData("23505", 1, false)]
    public async Task Only_a_serialization_failure_or_deadlock_is_retried_and_as_a_whole(string state, int failures, bool succeeds)
    {
        await using var database = await postgres.IdentityAsync();
        await database.ExecuteAsync("""
            CREATE SEQUENCE tries;
            CREATE FUNCTION stumble(p_state text, p_failures integer) RETURNS integer LANGUAGE plpgsql AS $$
            BEGIN
              IF nextval('tries') <= p_failures THEN RAISE EXCEPTION 'lost' USING ERRCODE = p_state; END IF;
              RETURN 7;
            END $$
            """);
        var store = await database.StoreAsync();

        var write = store.WriteAsync(Someone, [Ada("u1"), new("SELECT stumble($1, $2)", state, failures)], r => r.GetInt32(0), Cancel);

        if (succeeds)
            Assert.Equal(7, await write);
        else
            Assert.Equal(state, (await Assert.ThrowsAsync<PostgresException>(() => write)).SqlState);
        Assert.Equal(state == "23505" ? 1 : 4, await database.ScalarAsync<int>("SELECT last_value FROM tries"));
        Assert.Equal(succeeds ? 1 : 0, await database.ScalarAsync<int>("""SELECT count(*) FROM "user" """));
    }

    [Fact]
    public async Task The_context_of_a_write_does_not_leak_into_the_next()
    {
        await using var database = await postgres.IdentityAsync();
        await using var one = NpgsqlDataSource.Create(database.ConnectionString + ";Maximum Pool Size=1;No Reset On Close=true");
        var store = await database.StoreAsync(one);
        await store.WriteAsync(Someone, [Ada("u1"), new("SELECT 1")], r => r.GetInt32(0), Cancel);
        await store.WriteAsync(default, [Ada("u2"), new("SELECT 1")], r => r.GetInt32(0), Cancel);
        Assert.Equal(["c-1", ""], await database.QueryAsync<string>(
            "SELECT coalesce(headers ->> 'correlationId', '') FROM watchword.outbox WHERE subject = 'user.sync' ORDER BY position"));
        Assert.Equal("", await store.ReadAsync(new("SELECT coalesce(current_setting('watchword.actor', true), '')"), r => r.GetString(0), Cancel));
    }

    [Fact]
    public async Task A_write_wakes_the_relay_without_a_database_notification()
    {
        await using var database = await postgres.IdentityAsync();
        await using var listener = await database.Source.OpenConnectionAsync(Cancel);
        var heard = 0;
        listener.Notification += (_, _) => heard++;
        await using (var listen = new NpgsqlCommand("LISTEN watchword_outbox", listener))
            await listen.ExecuteNonQueryAsync(Cancel);
        var signal = new OutboxSignal();

        await (await database.StoreAsync(signal: signal)).WriteAsync(Someone, [Ada("u1"), new("SELECT 1")], r => r.GetInt32(0), Cancel);

        Assert.True(await signal.WaitAsync(TimeSpan.FromSeconds(30), Cancel));
        // A change made outside the store does notify, and would arrive after one of ours.
        await database.ExecuteAsync("""UPDATE "user" SET name = 'Eve'""");
        Assert.True(await listener.WaitAsync(TimeSpan.FromSeconds(30), Cancel));
        Assert.Equal(1, heard);
    }
}
