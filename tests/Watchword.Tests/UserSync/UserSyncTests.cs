using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Watchword.Events.Contracts;
using Watchword.UserSync;
using static Watchword.Tests.UserSync.SyncHost;

namespace Watchword.Tests.UserSync;

/// <summary>Promise 3: in order, applied once, whatever comes twice or late.</summary>
public class UserSyncTests(PostgresFixture postgres, NatsFixture nats)
{
    private Task<SyncHost> StartAsync(UserSyncOptions? options = null, TestDatabase? target = null, NatsAccount? account = null) =>
        SyncHost.StartAsync(postgres, nats, options, target, account);

    [Fact]
    public async Task The_manual_event_of_spec_0_makes_the_row_and_a_hundred_copies_leave_one()
    {
        await using var host = await StartAsync();
        const string Manual = """
            {"event":"user.created","timestamp":"2024-04-16T10:30:00Z","data":{"userId":"test_user_123","email":"testuser@example.com","name":"Test User",
             "emailVerified":true,"isAnonymous":false,"isActive":true,"roles":["user"],"organizationId":"org_default"}}
            """;
        for (var i = 0; i < 100; i++)
            await host.PublishAsync(Manual);
        await host.SettledAsync();
        var user = Assert.Single(await host.UsersAsync());
        Assert.Equal(("test_user_123", "testuser@example.com", "Test User", true, "org_default"), (user.Auth_Id, user.Email, user.Name, user.Is_Active, user.Organization_Id));
    }

    [Fact]
    public async Task An_older_event_changes_nothing_and_a_newer_one_does()
    {
        await using var host = await StartAsync();
        await host.PublishAsync(Event("u", name: "second", timestamp: "2024-04-16T10:30:02Z"));
        await host.SettledAsync();
        await host.PublishAsync(Event("u", "created", name: "first", timestamp: "2024-04-16T10:30:01Z"));
        await host.SettledAsync();
        Assert.Equal("second", (await host.UsersAsync())[0].Name);
        await host.PublishAsync(Event("u", name: "third", timestamp: "2024-04-16T10:30:03Z"));
        await host.SettledAsync();
        Assert.Equal("third", (await host.UsersAsync())[0].Name);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task An_erased_user_keeps_a_row_of_the_id_alone_whether_or_not_the_deletion_came_before(bool isDeleted)
    {
        await using var host = await StartAsync();
        await host.PublishAsync(Event("u", "created", version: 1));
        await host.PublishAsync(Event("v", "created", version: 1));
        await host.SettledAsync();
        if (isDeleted)
            await host.PublishAsync(Event("u", "deleted", version: 2));
        await host.JetStream.PublishAsync("user.erased", """{"event":"user.erased","timestamp":"2026-01-01T00:00:00.000Z","data":{"userId":"u"},"id":"e","version":3,"schemaVersion":1}"""u8.ToArray());
        await host.PublishAsync(Event("u", version: 2));   // late
        await host.SettledAsync();

        var users = await host.UsersAsync();
        Assert.Equal((null, null, false, 3), (users[0].Email, users[0].Name, users[0].Is_Active, users[0].Version));
        Assert.NotNull(users[0].Deleted_At);
        Assert.Equal("v@example.com", users[1].Email);
    }

    [Fact]
    public void An_erasure_takes_nothing_over_from_the_events_that_it_meets_in_a_batch()
    {
        var created = new UserChange(new("u", "u@example.com"), Version: 1, Tie: 0, DeletedAt: null);
        var erased = new UserChange(new("u"), Version: 2, Tie: 0, DeletedAt: DateTime.UnixEpoch, IsErased: true);
        Assert.Null(UserChange.Newest(created, erased).Data.Email);
        Assert.Equal("u@example.com", UserChange.Newest(created, erased with { IsErased = false }).Data.Email);
    }

    [Fact]
    public async Task Of_a_consumer_that_delivers_the_whole_stream_only_users_are_read()
    {
        var account = nats.TakeAccount();
        await using (var other = await account.ConnectAsync())
        {
            await other.CreateStreamAsync(Streams.IdentityChanges);
            // As an earlier build made it: a plain filter cannot become one with a wildcard.
            await other.CreateConsumerAsync("identity-changes", new() { DurableName = "user-sync", FilterSubject = "user.sync", AckPolicy = NATS.Client.JetStream.Models.ConsumerConfigAckPolicy.All });
        }
        await using var host = await StartAsync(account: account);
        await host.Worker.Ready;
        await host.JetStream.PublishAsync("organization.created", """{"event":"organization.created"}"""u8.ToArray());
        await host.PublishAsync(Event("u"));
        await host.SettledAsync();
        Assert.Single(await host.UsersAsync());
        Assert.Empty(await host.Target.QueryAsync<string>("SELECT reason FROM watchword.parked_event"));
    }

    [Fact]
    public async Task Foreign_events_of_one_time_are_ordered_by_the_stream()
    {
        await using var host = await StartAsync();
        await host.PublishAsync(Event("u", "created", name: "first"));
        await host.SettledAsync();
        await host.PublishAsync(Event("u", name: "second"));
        await host.SettledAsync();
        Assert.Equal("second", (await host.UsersAsync())[0].Name);
    }

    [Fact]
    public async Task A_foreign_event_that_comes_again_changes_nothing_after_a_later_one_of_its_time()
    {
        var account = nats.TakeAccount();
        await using var other = await account.ConnectAsync();
        await other.CreateStreamAsync(Streams.IdentityChanges);
        await other.CreateConsumerAsync("identity-changes", new UserSyncOptions().Consumer(), TestContext.Current.CancellationToken);
        await other.PublishAsync("user.sync", Encoding.UTF8.GetBytes(Event("u", "created", name: "first")));
        await other.PublishAsync("user.sync", Encoding.UTF8.GetBytes(Event("u", name: "second")));
        Assert.Single(await other.FetchAsync("identity-changes", "user-sync", 1));   // and never acknowledged

        await using var host = await StartAsync(account: account);
        await Eventually.TrueAsync(async () => (await host.UsersAsync()).Count == 1);
        Assert.Equal("second", (await host.UsersAsync())[0].Name);
        await host.SettledAsync();
        Assert.Equal("second", (await host.UsersAsync())[0].Name);
    }

    [Fact]
    public async Task A_deleted_user_is_not_resurrected_by_a_late_creation()
    {
        await using var host = await StartAsync();
        await host.PublishAsync(Event("u", "created", version: 10));
        await host.PublishAsync("""{"event":"user.deleted","timestamp":"2024-04-16T10:30:05Z","data":{"userId":"u"},"version":12}""");
        await host.SettledAsync();
        await host.PublishAsync(Event("u", "created", version: 11));
        await host.SettledAsync();
        var user = Assert.Single(await host.UsersAsync());
        Assert.NotNull(user.Deleted_At);
        Assert.False(user.Is_Active);
        Assert.Equal(12, user.Version);
        Assert.Equal("u@example.com", user.Email);
    }

    [Fact]
    public async Task A_deletion_that_comes_first_leaves_a_tombstone()
    {
        await using var host = await StartAsync();
        await host.PublishAsync("""{"event":"user.deleted","timestamp":"2024-04-16T10:30:05Z","data":{"userId":"u"}}""");
        await host.PublishAsync(Event("u", "created", timestamp: "2024-04-16T10:30:04Z"));
        await host.SettledAsync();
        Assert.NotNull(Assert.Single(await host.UsersAsync()).Deleted_At);
    }

    [Fact]
    public async Task A_row_of_the_application_s_own_is_linked_by_its_address()
    {
        await using var host = await StartAsync();
        await host.Target.ExecuteAsync("INSERT INTO users (email, name) VALUES ('Own@Example.com', 'own'), ('other@example.com', 'other')");
        await host.PublishAsync(Event("u", "created", email: "own@example.com"));
        await host.SettledAsync();
        Assert.Equal(2, await host.Target.ScalarAsync<long>("SELECT count(*) FROM users"));
        Assert.Equal("Test User", await host.Target.ScalarAsync<string>("SELECT name FROM users WHERE auth_id = 'u'"));
    }

    [Fact]
    public async Task Malformed_events_are_set_aside_with_their_reason_and_stop_nobody()
    {
        await using var host = await StartAsync();
        await host.JetStream.CreateStreamAsync(Streams.DeadLetters);
        string[] malformed =
        [
            "", "{", "[]", "null", "{\"event\":\"user.created\"}", """{"event":"user.exploded","timestamp":"2024-04-16T10:30:00Z","data":{"userId":"x","email":"x@y.z"}}""",
            """{"event":"user.\r\nexploded","timestamp":"2024-04-16T10:30:00Z","data":{"userId":"x","email":"x@y.z"}}""",
            """{"event":"user.created","timestamp":"yesterday","data":{"userId":"x","email":"x@y.z"}}""",
            """{"event":"user.created","timestamp":"2024-04-16T10:30:00Z","data":{"userId":42,"email":"x@y.z"}}""",
            """{"event":"user.created","timestamp":"2024-04-16T10:30:00Z","data":{"userId":"x"}}""",
            """{"event":"user.created","timestamp":"2024-04-16T10:30:00Z","data":{"userId":"x","email":"nul\u0000@y.z"}}""",
            """{"event":"user.created","timestamp":"2024-04-16T10:30:00Z","data":{"userId":"x\ud800","email":"x@y.z"}}""",
            """{"event":"user.created","timestamp":"9999-04-16T10:30:00Z","data":{"userId":"x","email":"x@y.z"}}""",
            """{"event":"user.deleted","timestamp":"9999-12-31T23:59:59.9999999Z","version":10,"data":{"userId":"x"}}""",
            """{"event":"user.created","timestamp":"2024-04-16T10:30:00Z","version":9223372036854775807,"data":{"userId":"x","email":"x@y.z"}}""",
            """{"event":"user.created","timestamp":"2024-04-16T10:30:00Z","version":10,"schemaVersion":99,"data":{"userId":"x","email":"x@y.z"}}""",
        ];
        for (var i = 0; i < malformed.Length; i++)
            await host.PublishAsync(malformed[i].Replace("\"userId\":\"x", $"\"userId\":\"x{i}", StringComparison.Ordinal));
        await host.PublishAsync(Event("good"));
        await host.SettledAsync();
        Assert.Equal("good", Assert.Single(await host.UsersAsync()).Auth_Id);
        var letters = await host.DeadLetters.ListAsync();
        Assert.Equal(malformed.Length, letters.Count);
        Assert.All(letters, l => Assert.Equal((1, 0L), (l.Attempts, l.Waiting)));
        Assert.Contains(letters, l => l is { Reason: "data.userId has the wrong type", Key: null });
        Assert.Contains(letters, l => l is { Reason: "data.email is missing", Key: "x9" });
        Assert.Contains(letters, l => l is { Key: "x14" } && l.Reason.StartsWith("version 9223372036854775807 lies more than a day ahead", StringComparison.Ordinal));
        Assert.Contains(letters, l => l is { Key: "x15" } && l.Reason.StartsWith("schemaVersion 99 is newer than 1", StringComparison.Ordinal));
        await Eventually.TrueAsync(async () => (await host.JetStream.FindStreamAsync("dead-letters"))!.State.Messages == malformed.Length);
    }

    [Theory]
    [InlineData("a trigger's own objection", "not this one (P0001)")]
    [InlineData("too large for an index", "(54000)")]
    public async Task Whatever_of_the_row_the_database_refuses_stops_that_user_alone(string what, string reason)
    {
        var target = await postgres.TargetAsync();
        await using var host = await StartAsync(new() { MaxDeliver = 1 }, target);
        if (what.StartsWith('a'))
            await target.ExecuteAsync("""
                CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not this one'; END $$;
                CREATE TRIGGER refuse BEFORE INSERT ON users FOR EACH ROW WHEN (NEW.auth_id LIKE 'bad%') EXECUTE FUNCTION refuse()
                """);
        // What compresses badly and is longer than an index takes.
        var bad = what.StartsWith('a') ? "bad" : "bad" + Convert.ToHexString(System.Security.Cryptography.RandomNumberGenerator.GetBytes(4_000));
        foreach (var user in (string[])["u1", "u2", bad, "u3", "u4"])
            await host.PublishAsync(Event(user));

        await Eventually.TrueAsync(async () => (await host.UsersAsync()).Count == 4 && await host.DeadLetters.ListAsync() is [_]);
        Assert.Contains(reason, (await host.DeadLetters.ListAsync())[0].Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_table_that_is_slow_by_its_triggers_takes_what_it_can_at_a_time()
    {
        var target = await postgres.TargetAsync();
        await target.ExecuteAsync("""
            CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN PERFORM pg_sleep(0.01); RETURN NEW; END $$;
            CREATE TRIGGER slow BEFORE INSERT ON users FOR EACH ROW EXECUTE FUNCTION slow()
            """);
        await using var hasty = Npgsql.NpgsqlDataSource.Create(new Npgsql.NpgsqlConnectionStringBuilder(target.ConnectionString) { Options = "-c statement_timeout=500" });
        var connection = await nats.TakeAccount().ConnectAsync();
        await connection.CreateStreamAsync(Streams.IdentityChanges);
        for (var i = 0; i < 300; i++)
            await connection.PublishAsync("user.sync", Encoding.UTF8.GetBytes(Event($"u{i}")));
        var worker = new UserSyncWorker(hasty, connection, new() { RetryDelayMin = TimeSpan.FromMilliseconds(10) }, NullLogger<UserSyncWorker>.Instance);
        await using var host = new SyncHost { Target = target, JetStream = connection, Worker = worker };

        await worker.StartAsync(default);

        await Eventually.TrueAsync(async () => (await host.UsersAsync()).Count == 300);
        Assert.Empty(await host.DeadLetters.ListAsync());
    }

    [Fact]
    public async Task An_event_is_acknowledged_only_after_its_commit()
    {
        await using var host = await StartAsync();
        await host.PublishAsync(Event("before"));
        await Eventually.TrueAsync(async () => (await host.UsersAsync()).Count == 1);
        await host.SettledAsync();
        await using var blocker = await host.Target.Source.OpenConnectionAsync();
        await using var transaction = await blocker.BeginTransactionAsync();
        await new Npgsql.NpgsqlCommand("LOCK TABLE users IN ACCESS EXCLUSIVE MODE", blocker, transaction).ExecuteNonQueryAsync();

        await host.PublishAsync(Event("u"));
        await host.BlockedAsync();
        var waiting = await host.JetStream.FindConsumerAsync("identity-changes", "user-sync");
        Assert.Equal(1, waiting!.NumAckPending);

        await transaction.CommitAsync();
        await host.SettledAsync();
        Assert.Equal(2, (await host.UsersAsync()).Count);
    }

    [Fact]
    public async Task A_parked_event_is_acknowledged_only_after_its_row_is_committed()
    {
        await using var host = await StartAsync();
        await host.Worker.Ready;
        await using var blocker = await host.Target.Source.OpenConnectionAsync();
        await using var transaction = await blocker.BeginTransactionAsync();
        await new Npgsql.NpgsqlCommand("LOCK TABLE watchword.parked_event IN SHARE ROW EXCLUSIVE MODE", blocker, transaction).ExecuteNonQueryAsync();

        await host.PublishAsync(Event("u", "exploded"));
        await host.BlockedAsync();
        Assert.Equal(1, (await host.JetStream.FindConsumerAsync("identity-changes", "user-sync"))!.NumAckPending);

        await transaction.CommitAsync();
        await host.SettledAsync();
        Assert.Single(await host.DeadLetters.ListAsync());
    }

    [Fact]
    public async Task A_delivery_that_was_lost_is_not_acknowledged_with_a_later_one()
    {
        var account = nats.TakeAccount();
        await using var other = await account.ConnectAsync();
        await other.CreateStreamAsync(Streams.IdentityChanges);
        await other.CreateConsumerAsync("identity-changes", new UserSyncOptions().Consumer(), TestContext.Current.CancellationToken);
        for (var i = 1; i <= 20; i++)
            await other.PublishAsync("user.sync", Encoding.UTF8.GetBytes(Event($"u{i}")));
        Assert.Equal(5, (await other.FetchAsync("identity-changes", "user-sync", 5)).Count);   // and never acknowledged

        await using var host = await StartAsync(account: account);
        await host.SettledAsync();
        Assert.Equal(20, (await host.UsersAsync()).Count);

        // The same while it reads.
        var taking = other.FetchAsync("identity-changes", "user-sync", 5, TimeSpan.FromSeconds(5));
        for (var i = 21; i <= 60; i++)
            await other.PublishAsync("user.sync", Encoding.UTF8.GetBytes(Event($"u{i}")));
        Assert.NotEmpty(await taking);
        await host.SettledAsync();
        Assert.Equal(60, (await host.UsersAsync()).Count);
    }

    [Fact]
    public async Task A_delivery_that_was_lost_before_a_backup_was_restored_is_not_acknowledged_with_a_later_one()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        var account = new NatsAccount(server.Port, "anybody", "any");
        await using (var other = await account.ConnectAsync())
        {
            await other.CreateStreamAsync(Streams.IdentityChanges);
            await other.CreateConsumerAsync("identity-changes", new UserSyncOptions().Consumer(), TestContext.Current.CancellationToken);
            await other.PublishAsync("user.sync", Encoding.UTF8.GetBytes(Event("lost")));
            Assert.Single(await other.FetchAsync("identity-changes", "user-sync", 1));   // and never acknowledged
        }
        await server.StopAsync();
        server.SaveData();
        server.LoseData();
        await server.StartAsync();
        await using var host = await StartAsync(account: account);
        await host.PublishAsync(Event("before"));
        await host.SettledAsync();

        // The consumer of the backup, too, has delivered one event: the number of its next is the one that is expected.
        await server.KillAsync();
        server.RestoreData();
        await server.StartAsync();
        await host.JetStream.WaitUntilOpenAsync(TestContext.Current.CancellationToken);
        await host.PublishAsync(Event("new"));
        await host.SettledAsync();
        Assert.Equal(["before", "lost", "new"], (await host.UsersAsync()).Select(u => u.Auth_Id));
    }

    [Fact]
    public async Task What_an_event_leaves_out_has_its_default()
    {
        await using var host = await StartAsync();
        await host.PublishAsync("""{"event":"user.created","timestamp":"2024-04-16T10:30:00Z","future":1,"data":{"userId":"u","email":"x@y.z","unknown":{}}}""");
        await host.SettledAsync();
        var user = Assert.Single(await host.UsersAsync());
        Assert.True(user.Is_Active);
        Assert.Equal(["user"], user.Roles);
        Assert.Equal("org_default", user.Organization_Id);
        Assert.Null(user.Name);
    }

    [Fact]
    public async Task Roles_of_any_text_arrive_as_they_are()
    {
        await using var host = await StartAsync();
        await host.PublishAsync("""{"event":"user.created","timestamp":"2024-04-16T10:30:00Z","data":{"userId":"u","email":"x@y.z","roles":["a,b","{\"q\"}","null","","back\\slash","ü"]}}""");
        await host.SettledAsync();
        Assert.Equal(["a,b", "{\"q\"}", "null", "", "back\\slash", "ü"], (await host.UsersAsync())[0].Roles);
    }

    [Fact]
    public async Task An_application_s_own_table_is_extended_and_keeps_its_rows()
    {
        var target = await postgres.EmptyAsync();
        await target.ExecuteAsync("CREATE TABLE users (id serial PRIMARY KEY, email varchar(100) UNIQUE NOT NULL, nickname text); INSERT INTO users (email, nickname) VALUES ('u@example.com', 'nick')");
        await using var host = await StartAsync(target: target);
        await host.Worker.Ready;
        await host.PublishAsync(Event("u"));
        await host.SettledAsync();
        Assert.Equal("nick Test User", await target.ScalarAsync<string>("SELECT nickname || ' ' || name FROM users WHERE auth_id = 'u'"));
    }

    [Fact]
    public async Task A_table_that_demands_what_no_event_has_is_told_and_no_event_is_set_aside_for_it()
    {
        var target = await postgres.EmptyAsync();
        await target.ExecuteAsync("CREATE TABLE users (id serial PRIMARY KEY, email text, password_hash text NOT NULL, plan text NOT NULL)");
        await using var host = await StartAsync(target: target);
        await host.PublishAsync(Event("u"));
        await Eventually.TrueAsync(async () => await target.ScalarAsync<bool>("SELECT to_regclass('watchword.parked_event') IS NOT NULL"));
        var fault = await Assert.ThrowsAsync<UserSyncException>(() => new TargetUsers(target.Source).CheckAsync(default));
        Assert.Contains("password_hash, plan", fault.Message, StringComparison.Ordinal);

        await target.ExecuteAsync("ALTER TABLE users ALTER password_hash DROP NOT NULL, ALTER plan SET DEFAULT 'free'");
        await host.Worker.Ready;
        await host.SettledAsync();
        Assert.Equal("free", await target.ScalarAsync<string>("SELECT plan FROM users WHERE auth_id = 'u'"));
        Assert.Equal(0, await target.ScalarAsync<long>("SELECT count(*) FROM watchword.parked_event"));
    }
}
