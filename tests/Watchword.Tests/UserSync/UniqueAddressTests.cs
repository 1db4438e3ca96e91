using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Watchword.Events.Postgres;
using Watchword.UserSync;
using static Watchword.Tests.UserSync.SyncHost;

namespace Watchword.Tests.UserSync;

/// <summary>A users table whose addresses are unique ends with the source's truth, in whatever order the events come.</summary>
public class UniqueAddressTests(PostgresFixture postgres, NatsFixture nats)
{
    private const string Own = "CREATE TABLE users (id serial PRIMARY KEY, name text, email varchar(100) ";
    private const string Shared = "shared@example.com";

    /// <summary>Ways to make an address unique.</summary>
    public static TheoryData<string> Tables => [.. AllTables];

    private static readonly string[] AllTables =
    [
        Own + "UNIQUE)",
        Own + "UNIQUE NOT NULL)",
        Own + "); CREATE UNIQUE INDEX ON users (lower(email))",
        Own + "); CREATE UNIQUE INDEX ON users (email) WHERE email IS NOT NULL",
        Own + "UNIQUE DEFERRABLE INITIALLY DEFERRED)",
    ];

    private async Task<SyncHost> StartAsync(string table, int maxDeliver = 3)
    {
        var target = await postgres.EmptyAsync();
        await target.ExecuteAsync(table);
        var host = await SyncHost.StartAsync(postgres, nats, new() { MaxDeliver = maxDeliver }, target);
        await host.Worker.Ready;
        return host;
    }

    private static async Task AssertAsync(SyncHost host, params (string User, string? Email)[] expected)
    {
        foreach (var (user, email) in expected)
            await Eventually.TrueAsync(async () => (await host.UsersAsync()).Any(u => u.Auth_Id == user && u.Email == email));
        await host.NothingWaitsAsync();
        Assert.Empty(await host.DeadLetters.ListAsync());
    }

    [Theory]
    [MemberData(nameof(Tables))]
    public async Task A_deletion_frees_the_address_for_the_next_user(string table)
    {
        await using var host = await StartAsync(table);
        await host.PublishApartAsync(Event("old", email: Shared, version: 10), Event("old", "deleted", email: Shared, version: 11), Event("new", email: Shared, version: 12));
        await AssertAsync(host, ("new", Shared), ("old", table.Contains("NOT NULL)", StringComparison.Ordinal) ? "deleted+old@invalid" : null));
        Assert.Equal((false, "Test User"), (await host.UserAsync("old")) is var old ? (old.Is_Active, old.Name) : default);
    }

    [Theory]
    [MemberData(nameof(Tables))]
    public async Task A_user_whose_address_is_taken_waits_for_the_deletion_and_is_stored_at_once_then(string table)
    {
        await using var host = await StartAsync(table);
        await host.PublishApartAsync(Event("old", email: Shared, version: 10), Event("new", email: Shared, version: 12));
        Assert.Equal(Shared, (await host.UserAsync("old")).Email);
        Assert.DoesNotContain(await host.UsersAsync(), u => u.Auth_Id == "new");

        await host.PublishApartAsync(Event("old", "deleted", email: Shared, version: 11));
        // It is stored before the deletion is acknowledged.
        Assert.Equal(Shared, (await host.UserAsync("new")).Email);
        await AssertAsync(host, ("new", Shared));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Users_who_swap_their_addresses_have_them_swapped(bool together)
    {
        foreach (var table in AllTables)
        {
            await using var host = await StartAsync(table);
            await host.PublishApartAsync(Event("a", email: "1@x.y", version: 10), Event("b", email: "2@x.y", version: 11), Event("c", email: "3@x.y", version: 12));
            string[] rotation = [Event("a", email: "2@x.y", version: 20), Event("b", email: "3@x.y", version: 21), Event("c", email: "1@x.y", version: 22)];
            await (together ? host.PublishTogetherAsync(rotation) : host.PublishApartAsync(rotation));
            await AssertAsync(host, ("a", "2@x.y"), ("b", "3@x.y"), ("c", "1@x.y"));
        }
    }

    [Fact]
    public async Task A_user_who_waits_for_an_address_keeps_the_old_one_and_of_two_who_wait_the_later_gets_it()
    {
        await using var host = await StartAsync(Own + "UNIQUE)");
        await host.PublishApartAsync(
            Event("holder", email: Shared, version: 10), Event("a", email: "a@x.y", version: 11), Event("b", email: "b@x.y", version: 12),
            Event("a", email: Shared, version: 21), Event("b", email: Shared, version: 20));
        Assert.Equal(["a@x.y", "b@x.y", Shared], (await host.UsersAsync()).Select(u => u.Email!));

        await host.PublishApartAsync(Event("holder", "deleted", version: 19));
        Assert.Equal([Shared, "b@x.y", null], (await host.UsersAsync()).Select(u => u.Email));
        await host.PublishApartAsync(Event("b", email: "c@x.y", version: 22));
        await AssertAsync(host, ("a", Shared), ("b", "c@x.y"));
    }

    [Fact]
    public async Task A_redriven_dead_letter_whose_address_is_taken_waits_and_remembers_who_redrove_it()
    {
        await using var host = await StartAsync(Own + "UNIQUE, CONSTRAINT short CHECK (length(name) < 20))");
        await host.PublishApartAsync(Event("old", email: Shared, version: 10), Event("new", name: new string('x', 30), email: Shared, version: 12));
        await Eventually.TrueAsync(async () => await host.DeadLetters.ListAsync() is [_]);
        await host.Target.ExecuteAsync("ALTER TABLE users DROP CONSTRAINT short");

        var asked = await host.DeadLetters.RedriveAsync("user-sync", "new", "ada");
        await Eventually.TrueAsync(async () => await host.DeadLetters.OutcomesAsync(asked) is [{ Failure: { } why }] && why.StartsWith("another row of the users table holds its address", StringComparison.Ordinal));
        Assert.Empty(await host.DeadLetters.ListAsync());
        await host.Target.ExecuteAsync("UPDATE users SET email = NULL WHERE auth_id = 'old'");
        await Eventually.TrueAsync(async () => await host.DeadLetters.FindAsync(asked[0].Id) is { State: "redriven", ResolvedBy: "ada" });
        Assert.Equal(Shared, (await host.UserAsync("new")).Email);
    }

    [Fact]
    public async Task A_user_who_waits_for_an_address_is_never_counted_to_death()
    {
        await using var host = await StartAsync(Own + "UNIQUE)", maxDeliver: 1);
        await host.PublishApartAsync(Event("old", email: Shared, version: 10), Event("new", email: Shared, version: 12));
        // Tried again, more often than an event that fails is.
        for (var i = 0; i < 4; i++)
        {
            await host.Target.ExecuteAsync("UPDATE watchword.parked_event SET due_at = now() WHERE due_at IS NOT NULL");
            await Eventually.TrueAsync(() => host.Target.ScalarAsync<bool>("SELECT count(*) = 1 FROM watchword.parked_event WHERE due_at > now() + interval '1 s' AND state = 'retrying' AND attempts = 0"));
        }
        Assert.Empty(await host.DeadLetters.ListAsync());
        await host.PublishApartAsync(Event("old", email: "moved@example.com", version: 11));
        await AssertAsync(host, ("new", Shared), ("old", "moved@example.com"));
    }

    [Fact]
    public async Task An_address_that_the_application_frees_is_given_within_seconds()
    {
        await using var host = await StartAsync(Own + "UNIQUE)");
        await host.PublishApartAsync(Event("old", email: Shared, version: 10), Event("new", email: Shared, version: 12));
        await host.Target.ExecuteAsync("UPDATE users SET email = NULL WHERE auth_id = 'old'");
        await Eventually.TrueAsync(async () => (await host.UsersAsync()).Any(u => u.Auth_Id == "new"), TimeSpan.FromSeconds(6));
        await host.NothingWaitsAsync();
    }

    [Fact]
    public async Task A_newer_state_takes_the_place_of_the_one_that_waits()
    {
        await using var host = await StartAsync(Own + "UNIQUE)");
        await host.PublishApartAsync(Event("old", email: Shared, version: 10), Event("new", email: Shared, version: 12), Event("new", email: "other@x.y", version: 13));
        await AssertAsync(host, ("old", Shared), ("new", "other@x.y"));
        await host.PublishApartAsync(Event("old", "deleted", email: Shared, version: 14), Event("third", email: Shared, version: 15));
        await AssertAsync(host, ("third", Shared), ("new", "other@x.y"));
    }

    [Fact]
    public async Task A_process_that_takes_over_stores_swaps_that_wait()
    {
        var account = nats.TakeAccount();
        var target = await postgres.EmptyAsync();
        await target.ExecuteAsync(Own + "UNIQUE)");
        await using var first = await SyncHost.StartAsync(postgres, nats, target: target, account: account);
        await first.PublishApartAsync(Event("a", email: "1@x.y", version: 10), Event("b", email: "2@x.y", version: 11), Event("a", email: "2@x.y", version: 20));
        await first.Worker.StopAsync(TestContext.Current.CancellationToken);
        await using var second = await SyncHost.StartAsync(postgres, nats, target: target, account: account);
        await second.PublishApartAsync(Event("b", email: "1@x.y", version: 21));
        await AssertAsync(second, ("a", "2@x.y"), ("b", "1@x.y"));
    }

    [Fact]
    public async Task A_deleted_user_who_kept_the_address_since_it_was_not_unique_gives_it_up()
    {
        await using var host = await StartAsync(Own + ")");
        await host.PublishApartAsync(Event("old", email: Shared, version: 10), Event("old", "deleted", email: Shared, version: 11));
        Assert.Equal(Shared, (await host.UserAsync("old")).Email);   // today's way, where nobody else needs it
        await host.Target.ExecuteAsync("CREATE UNIQUE INDEX ON users (email)");
        await host.PublishApartAsync(Event("new", email: Shared, version: 12));
        await AssertAsync(host, ("new", Shared), ("old", null));
    }

    [Fact]
    public async Task An_index_that_leaves_the_deleted_out_lets_them_keep_their_address()
    {
        await using var host = await StartAsync(Own + "); ALTER TABLE users ADD deleted_at timestamptz; CREATE UNIQUE INDEX ON users (email) WHERE deleted_at IS NULL");
        await host.PublishApartAsync(
            Event("old", email: Shared, version: 10), Event("new", email: Shared, version: 12), Event("old", "deleted", email: Shared, version: 11));
        await AssertAsync(host, ("new", Shared), ("old", Shared));
    }

    [Fact]
    public async Task A_banned_user_s_address_can_go_to_another()
    {
        await using var host = await StartAsync(Own + "UNIQUE)");
        var banned = Event("old", email: Shared, version: 11).Replace("\"isActive\":true", "\"isActive\":false", StringComparison.Ordinal);
        await host.PublishApartAsync(Event("old", email: Shared, version: 10), banned, Event("new", email: Shared, version: 13));
        await host.PublishApartAsync(banned.Replace(Shared, "old@x.y", StringComparison.Ordinal).Replace(":11", ":12", StringComparison.Ordinal));
        await AssertAsync(host, ("new", Shared), ("old", "old@x.y"));
    }

    [Fact]
    public async Task Another_unique_column_is_an_ordinary_refusal()
    {
        await using var host = await StartAsync(Own + "); CREATE UNIQUE INDEX ON users (name)");
        await host.PublishApartAsync(Event("a", name: "same", version: 10), Event("b", name: "same", version: 11));
        await Eventually.TrueAsync(async () => await host.DeadLetters.ListAsync() is [{ Key: "b", Attempts: 3 }]);
    }

    [Fact]
    public async Task An_address_that_is_unique_by_case_alone_does_not_wait()
    {
        await using var host = await StartAsync(Own + "UNIQUE)");
        await host.PublishApartAsync(
            Event("a", email: "1@x.y", version: 10), Event("b", email: "One@x.y", version: 11), Event("c", email: "one@x.y", version: 12), Event("a", email: "ONE@x.y", version: 13));
        await AssertAsync(host, ("a", "ONE@x.y"), ("b", "One@x.y"), ("c", "one@x.y"));
    }

    [Fact]
    public async Task Nobody_waits_who_was_stored_alone_or_with_others()
    {
        var target = await postgres.EmptyAsync();
        await target.ExecuteAsync(Own + "UNIQUE)");
        await MigrationRunner.ApplyAsync(target.Source, UserSyncSchema.Migrations, NullLogger.Instance, TestContext.Current.CancellationToken);
        await target.ExecuteAsync("INSERT INTO users (auth_id, email) VALUES ('old', @Shared)", new { Shared });
        var users = new TargetUsers(target.Source);
        await users.CheckAsync(TestContext.Current.CancellationToken);
        using var waiters = new AddressWaiters(users, new(target.Source, users), NullLogger.Instance);
        UserChange change = new(new("new", Shared), 12, 0, null);

        Assert.True((await waiters.StoreAsync([change], TestContext.Current.CancellationToken)).Refused["new"].Waits);
        Assert.Equal(1, waiters.Count);
        waiters.Forget([change with { Version = 11 }]);
        Assert.Equal(1, waiters.Count);
        waiters.Forget([change with { Version = 13 }]);
        Assert.Equal(0, waiters.Count);

        await waiters.StoreAsync([change], TestContext.Current.CancellationToken);
        await target.ExecuteAsync("UPDATE users SET email = NULL WHERE auth_id = 'old'");
        Assert.Equal([change], (await waiters.StoreAsync([], TestContext.Current.CancellationToken)).Stored);
        Assert.Equal(0, waiters.Count);
    }

    [Fact]
    public async Task What_reading_the_table_says_of_its_addresses_is_what_the_table_demands()
    {
        var target = await postgres.EmptyAsync();
        await using var source = NpgsqlDataSource.Create(target.ConnectionString);
        foreach (var table in AllTables)
        {
            await target.ExecuteAsync("DROP TABLE IF EXISTS users; " + table);
            var column = await EmailColumn.ReadAsync(source, TestContext.Current.CancellationToken);
            Assert.Equal((1, true, !table.Contains("UNIQUE NOT NULL", StringComparison.Ordinal)), (column.UniqueIndexes.Length, column.IsFreedByDeletion, column.IsNullable));
        }
        await target.ExecuteAsync("DROP TABLE users; " + Own + "); CREATE UNIQUE INDEX ON users (name); CREATE INDEX ON users (email)");
        var plain = await EmailColumn.ReadAsync(source, TestContext.Current.CancellationToken);
        Assert.Equal((0, false, true), (plain.UniqueIndexes.Length, plain.IsFreedByDeletion, plain.IsNullable));
    }
}
