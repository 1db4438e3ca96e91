using System.Diagnostics;
using System.Text;
using NATS.Client.JetStream.Models;
using Watchword.Events.Contracts;
using Watchword.Events.Outbox;

namespace Watchword.Tests.Events.Outbox;

public class OutboxRelayTests(PostgresFixture postgres, NatsFixture nats)
{
    private static readonly TimeSpan HeldRetry = TimeSpan.FromMilliseconds(400);

    private static string InsertUsers(int count) => $"""
        INSERT INTO "user" (id, name, email, "emailVerified") SELECT 'u' || i, 'User ' || i, 'u' || i || '@example.com', false FROM generate_series(1, {count}) i
        """;

    [Fact]
    public async Task A_hand_typed_change_reaches_both_streams_with_its_headers()
    {
        await using var db = await postgres.IdentityAsync();
        await using var relay = await RelayHost.StartAsync(db, nats.TakeAccount().Settings);
        await db.ExecuteAsync("BEGIN; SET LOCAL watchword.correlation_id = 'c-1'; SET LOCAL watchword.traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';" + InsertUsers(1) + "; COMMIT");

        var registered = Assert.Single(await relay.JetStream.ReadStreamAsync("auth-events", 1));
        var created = Assert.Single(await relay.JetStream.ReadStreamAsync("identity-changes", 1));

        Assert.Equal("auth.user.registered", registered.Subject);
        Assert.Equal("auth.user.registered", registered.Json.GetProperty("subject").GetString());
        Assert.Equal("user.sync", created.Subject);
        Assert.Equal("user.created", created.Event);
        Assert.Equal(created.Json.GetProperty("id").GetString(), created.MessageId);
        Assert.Equal("application/json", created.Headers.Find("Content-Type"));
        Assert.Equal("1.0", created.Headers.Find("ce-specversion"));
        Assert.Equal(created.MessageId, created.Headers.Find("ce-id"));
        Assert.Equal("user.sync", created.Headers.Find("ce-type"));
        Assert.Equal("u1", created.Headers.Find("ce-subject"));
        Assert.Equal("c-1", created.Headers.Find("Watchword-Correlation-Id"));
        Assert.Equal("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", created.Headers.Find("traceparent"));
        Assert.Equal($"{created.Version}", created.Headers.Find("Watchword-Version"));
    }

    [Fact]
    public async Task Every_row_is_marked_with_its_place_in_the_stream()
    {
        await using var db = await postgres.IdentityAsync();
        await using var relay = await RelayHost.StartAsync(db, nats.TakeAccount().Settings);
        await db.ExecuteAsync(InsertUsers(500));

        await relay.JetStream.ReadStreamAsync("identity-changes", 500);
        await Eventually.TrueAsync(async () => await db.ScalarAsync<long>("SELECT count(*) FROM watchword.outbox WHERE published_at IS NULL") == 0);

        Assert.Equal(500, await db.ScalarAsync<long>("SELECT count(DISTINCT stream_seq) FROM watchword.outbox WHERE subject = 'user.sync' AND stream_seq BETWEEN 1 AND 500"));
    }

    [Fact]
    public async Task Changes_made_while_nats_is_away_follow_in_order_when_it_is_back()
    {
        await using var db = await postgres.IdentityAsync();
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var relay = await RelayHost.StartAsync(db, new() { Url = server.Url });
        await db.ExecuteAsync(InsertUsers(20));
        await relay.JetStream.ReadStreamAsync("identity-changes", 20);

        await server.KillAsync();
        for (var i = 0; i < 10; i++)
            await db.ExecuteAsync($"""UPDATE "user" SET name = 'away {i}'""");
        await server.StartAsync();

        await relay.JetStream.WaitUntilOpenAsync(default);
        var events = await relay.JetStream.ReadStreamAsync("identity-changes", 220);
        AssertInOrderAndOnce(events, await PublishedIdsAsync(db));
    }

    [Fact]
    public async Task Events_of_a_user_stay_in_order_while_nats_is_killed_under_load()
    {
        await using var db = await postgres.IdentityAsync();
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var relay = await RelayHost.StartAsync(db, new() { Url = server.Url });
        await db.ExecuteAsync(InsertUsers(50));

        var writing = Task.Run(async () =>
        {
            for (var i = 0; i < 60; i++)
                await db.ExecuteAsync($"""UPDATE "user" SET name = 'round {i}'""");
        });
        for (var kill = 0; kill < 3; kill++)
        {
            var seen = relay.Relay.PublishedTotal;
            await Eventually.TrueAsync(() => Task.FromResult(relay.Relay.PublishedTotal > seen || writing.IsCompleted));
            await server.KillAsync();
            await server.StartAsync();
        }
        await writing;

        await relay.JetStream.WaitUntilOpenAsync(default);
        var events = await relay.JetStream.ReadStreamAsync("identity-changes", 50 + 50 * 60);
        AssertInOrderAndOnce(events, await PublishedIdsAsync(db));
    }

    [Fact]
    public async Task A_foreign_publisher_in_between_neither_stops_nor_reorders_the_relay()
    {
        await using var db = await postgres.IdentityAsync();
        await using var relay = await RelayHost.StartAsync(db, nats.TakeAccount().Settings);
        await relay.Relay.Ready;
        using var done = new CancellationTokenSource();
        var foreign = PublishAsAnotherAsync(relay, done.Token);

        for (var i = 0; i < 20; i++)
            await db.ExecuteAsync(i == 0 ? InsertUsers(100) : $"""UPDATE "user" SET name = 'round {i}'""");
        await Eventually.TrueAsync(async () => await db.ScalarAsync<long>("SELECT count(*) FROM watchword.outbox WHERE published_at IS NULL") == 0);
        await done.CancelAsync();
        var foreignCount = await foreign;

        var events = await relay.JetStream.ReadStreamAsync("identity-changes", 2000 + foreignCount);
        Assert.True(foreignCount > 0);
        AssertInOrderAndOnce([.. events.Where(e => e.UserId != "foreign")], await PublishedIdsAsync(db));
        Assert.Empty(relay.Logs.Of(2001).Concat(relay.Logs.Of(2002)));   // a broken chain is no failure
    }

    [Fact]
    public async Task An_event_that_no_server_takes_holds_back_its_own_user_alone()
    {
        await using var db = await postgres.IdentityAsync();
        await db.ExecuteAsync(InsertUsers(2));
        await db.ExecuteAsync("""UPDATE "user" SET name = repeat('x', 2000000) WHERE id = 'u1'""");
        await db.ExecuteAsync("""UPDATE "user" SET name = 'later' """);
        await using var relay = await RelayHost.StartAsync(db, nats.TakeAccount().Settings);

        var events = await relay.JetStream.ReadStreamAsync("identity-changes", 3);
        Assert.Equal(["u1 user.created", "u2 user.created", "u2 user.updated"], events.Select(e => $"{e.UserId} {e.Event}").Order());
        await Eventually.TrueAsync(async () => await db.ScalarAsync<long>("SELECT count(*) FROM watchword.outbox WHERE published_at IS NULL") == 2);
    }

    [Fact]
    public async Task An_event_that_the_stream_refuses_holds_back_its_own_user_alone()
    {
        await using var db = await postgres.IdentityAsync();
        var account = nats.TakeAccount();
        await using (var operators = await account.ConnectAsync())
            await operators.CreateStreamAsync(Watchword.Events.Contracts.Streams.IdentityChanges with { MaxMsgSize = 2000 });
        await db.ExecuteAsync(InsertUsers(3));
        await db.ExecuteAsync("""UPDATE "user" SET name = repeat('x', 5000) WHERE id = 'u2'""");
        await db.ExecuteAsync("""UPDATE "user" SET name = 'later' """);
        await using var relay = await RelayHost.StartAsync(db, account.Settings);

        var events = await relay.JetStream.ReadStreamAsync("identity-changes", 5);
        Assert.Equal(["u1 user.created", "u1 user.updated", "u2 user.created", "u3 user.created", "u3 user.updated"], events.Select(e => $"{e.UserId} {e.Event}").Order());
        await Eventually.TrueAsync(async () => await db.ScalarAsync<long>("SELECT count(*) FROM watchword.outbox WHERE published_at IS NULL") == 2);
    }

    [Fact]
    public async Task What_somebody_s_transaction_says_of_itself_at_length_is_left_out()
    {
        await using var db = await postgres.IdentityAsync();
        await db.ExecuteAsync($"BEGIN; SET LOCAL watchword.actor = '{new string('a', 70_000)}'; SET LOCAL watchword.origin = 'crm';" + InsertUsers(1) + "; COMMIT");
        await using var relay = await RelayHost.StartAsync(db, nats.TakeAccount().Settings);

        var headers = Assert.Single(await relay.JetStream.ReadStreamAsync("identity-changes", 1)).Headers!;
        Assert.Equal((null, "crm"), (headers.Find("Watchword-Actor"), headers.Find("Watchword-Origin")));
    }

    [Fact]
    public async Task An_event_whose_headers_no_server_takes_holds_back_its_own_user_alone()
    {
        await using var db = await postgres.IdentityAsync();
        await db.ExecuteAsync("""INSERT INTO "user" (id, name, email, "emailVerified") VALUES (repeat('x', 70000), 'Ada', 'long@example.com', false)""");
        await db.ExecuteAsync(InsertUsers(2));
        await using var relay = await RelayHost.StartAsync(db, nats.TakeAccount().Settings);

        Assert.Equal(["u1", "u2"], (await relay.JetStream.ReadStreamAsync("identity-changes", 2)).Select(e => e.UserId));
        await Eventually.TrueAsync(async () => await db.ScalarAsync<long>("SELECT count(*) FROM watchword.outbox WHERE published_at IS NULL") == 2);
    }

    [Theory]
    [InlineData("auth-events", "identity-changes")]
    [InlineData("identity-changes", "auth-events")]
    public async Task A_stream_that_is_full_keeps_nobody_waiting_but_itself(string full, string other)
    {
        const int Users = 3_000;
        await using var db = await postgres.IdentityAsync();
        var account = nats.TakeAccount();
        await using var operators = await account.ConnectAsync();
        var stream = Watchword.Events.Contracts.Streams.All.First(s => s.Name == full);
        await operators.CreateStreamAsync(stream with { Discard = StreamConfigDiscard.New, MaxMsgs = 5 });
        await db.ExecuteAsync(InsertUsers(Users));
        await using var relay = await RelayHost.StartAsync(db, account.Settings, RelayHost.Options with { SweepSize = 500 });

        await Eventually.TrueAsync(async () => (await operators.FindStreamAsync(other))?.State.Messages == Users);
        await db.ExecuteAsync(InsertUsers(1).Replace("1, 1", "9001, 9001", StringComparison.Ordinal));
        await Eventually.TrueAsync(async () => (await operators.FindStreamAsync(other))!.State.Messages == Users + 1);
        Assert.Equal(5, (await operators.FindStreamAsync(full))!.State.Messages);
        Assert.Single(relay.Logs.Of(2011));   // it is not looked at anew for each refusal

        await operators.UpdateStreamAsync((await operators.FindStreamAsync(full))!.Config with { MaxMsgs = -1 });
        await Eventually.TrueAsync(async () => await db.ScalarAsync<long>("SELECT count(*) FROM watchword.outbox WHERE published_at IS NULL") == 0);
        Assert.Equal([.. Enumerable.Range(1, Users).Append(9001).Select(i => $"u{i}")], (await relay.JetStream.ReadStreamAsync(full, Users + 1)).Select(e => e.UserId));
    }

    [Fact]
    public async Task What_is_held_is_tried_again_now_and_then_and_flows_when_the_stream_takes_it()
    {
        await using var db = await postgres.IdentityAsync();
        var account = nats.TakeAccount();
        await using var operators = await account.ConnectAsync();
        await operators.CreateStreamAsync(new() { Name = "identity-changes", Subjects = ["user.sync"] });
        await db.ExecuteAsync("SELECT watchword.append_change('invitation.created', 'invitation.created', 'organization', 'o1', '{}'::json)");
        await using var relay = await RelayHost.StartAsync(db, account.Settings, RelayHost.Options with { HeldRetry = HeldRetry, PollInterval = TimeSpan.FromMilliseconds(20) });
        int Held() => relay.Logs.Of(2022).Count;
        await Eventually.TrueAsync(() => Held() >= 2);
        var (before, since) = (Held(), Stopwatch.GetTimestamp());
        await Eventually.TrueAsync(() => Held() >= before + 2);
        Assert.True(Stopwatch.GetElapsedTime(since) >= HeldRetry, "it is tried again at every look");

        await operators.UpdateStreamAsync((await operators.FindStreamAsync("identity-changes"))!.Config with { Subjects = ["user.sync", "invitation.*"] });
        await Eventually.TrueAsync(async () => await db.ScalarAsync<long>("SELECT count(*) FROM watchword.outbox WHERE published_at IS NULL") == 0);
    }

    [Fact]
    public async Task A_relay_that_is_stopped_in_the_middle_leaves_nothing_in_the_stream_unmarked()
    {
        await using var db = await postgres.IdentityAsync();
        var account = nats.TakeAccount();
        await db.ExecuteAsync(InsertUsers(5000));
        for (var stop = 0; stop < 3; stop++)
        {
            await db.ExecuteAsync($"""UPDATE "user" SET name = 'round {stop}'""");
            var relay = await RelayHost.StartAsync(db, account.Settings);
            var stream = Watchword.Events.Contracts.Streams.IdentityChanges.Name!;
            await relay.Relay.Ready;
            var before = (await relay.JetStream.FindStreamAsync(stream))!.State.Messages;
            await Eventually.TrueAsync(async () => (await relay.JetStream.FindStreamAsync(stream))!.State.Messages > before || await db.ScalarAsync<long>("SELECT count(*) FROM watchword.outbox WHERE published_at IS NULL") == 0);
            await relay.DisposeAsync();

            await using var reader = await account.ConnectAsync();
            Assert.Equal(
                (long)(await reader.FindStreamAsync(stream))!.State.Messages,
                await db.ScalarAsync<long>("SELECT count(*) FROM watchword.outbox WHERE subject = 'user.sync' AND published_at IS NOT NULL"));
        }
    }

    [Fact]
    public async Task Of_two_relays_one_leads_and_the_other_takes_over()
    {
        await using var db = await postgres.IdentityAsync();
        var account = nats.TakeAccount();
        var first = await RelayHost.StartAsync(db, account.Settings);
        await first.Relay.Ready;
        await using var second = await RelayHost.StartAsync(db, account.Settings);
        await second.Relay.Ready;
        Assert.True(first.Relay.IsLeader);
        Assert.False(second.Relay.IsLeader);

        await first.DisposeAsync();
        await db.ExecuteAsync(InsertUsers(1));
        await second.JetStream.ReadStreamAsync("identity-changes", 1);
        Assert.True(second.Relay.IsLeader);
    }

    [Fact]
    public async Task A_relay_whose_database_connections_are_cut_goes_on()
    {
        await using var db = await postgres.IdentityAsync();
        await using var relay = await RelayHost.StartAsync(db, nats.TakeAccount().Settings);
        await db.ExecuteAsync(InsertUsers(1));
        await relay.JetStream.ReadStreamAsync("identity-changes", 1);
        await db.ExecuteAsync("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()");
        await Eventually.TrueAsync(async () =>
        {
            try
            {
                return await db.ExecuteAsync("""UPDATE "user" SET name = name || '!' """) == 1;
            }
            catch (Npgsql.NpgsqlException)
            {
                return false;   // a pooled connection of the test's own was cut too
            }
        });
        await relay.JetStream.ReadStreamAsync("identity-changes", 2);
    }

    [Fact]
    public async Task A_relay_that_loses_its_lease_while_events_of_one_key_wait_for_each_other_goes_on()
    {
        await using var db = await postgres.IdentityAsync();
        await using var relay = await RelayHost.StartAsync(db, nats.TakeAccount().Settings);
        await relay.Relay.Ready;
        using var done = new CancellationTokenSource();
        var foreign = PublishAsAnotherAsync(relay, done.Token);   // so that the relay has to wait for each ack of a key before its next
        await relay.JetStream.ReadStreamAsync("identity-changes", 1);
        await db.ExecuteAsync(InsertUsers(1));
        await db.ExecuteAsync("""DO $$ BEGIN FOR i IN 1..8000 LOOP UPDATE "user" SET name = 'round ' || i; COMMIT; END LOOP; END $$""");
        await Eventually.TrueAsync(async () => await PublishedAsync() > 200);
        await using (var blocker = await db.Source.OpenConnectionAsync())
        {
            // While the acks of some cannot be written down the next one waits for its turn.
            await using var transaction = await blocker.BeginTransactionAsync();
            await new Npgsql.NpgsqlCommand("LOCK TABLE watchword.outbox IN SHARE ROW EXCLUSIVE MODE", blocker, transaction).ExecuteNonQueryAsync();
            const string Lease = "SELECT pid FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())";
            await Eventually.TrueAsync(async () => await db.ScalarAsync<long>($"SELECT count(*) FROM pg_locks WHERE NOT granted AND pid IN ({Lease})") > 0);
            await db.ExecuteAsync($"SELECT pg_terminate_backend(pid) FROM ({Lease}) AS lease");
        }
        var before = await PublishedAsync();
        await Eventually.TrueAsync(async () => await PublishedAsync() is var now && (now > before + 200 || now == 8002));
        await done.CancelAsync();
        await foreign;

        Task<long> PublishedAsync() => db.ScalarAsync<long>("SELECT count(*) FROM watchword.outbox WHERE published_at IS NOT NULL");
    }

    [Fact]
    public async Task Streams_that_others_made_with_fewer_subjects_hold_back_those_events_alone()
    {
        await using var db = await postgres.IdentityAsync();
        var account = nats.TakeAccount();
        await using (var operators = await account.ConnectAsync())
        {
            await operators.CreateStreamAsync(new() { Name = "identity-changes", Subjects = ["user.sync"] });
            await operators.CreateStreamAsync(new() { Name = "an-application-s-own", Subjects = ["dlq.>"] });   // ours cannot be made
        }
        await db.ExecuteAsync("SELECT watchword.append_change('invitation.created', 'invitation.created', 'organization', 'o1', '{}'::json)");
        await db.ExecuteAsync(InsertUsers(3));
        await using var relay = await RelayHost.StartAsync(db, account.Settings);

        await relay.JetStream.ReadStreamAsync("identity-changes", 3);
        Assert.Contains("dead-letters", (await relay.Logs.LineAsync(2036)).Text, StringComparison.Ordinal);
        await Eventually.TrueAsync(async () => (await db.QueryAsync<string>("SELECT subject FROM watchword.outbox WHERE published_at IS NULL")) is ["invitation.created"]);
        Assert.True(relay.Relay.IsLeader);
    }

    [Fact]
    public async Task An_event_that_another_stream_would_take_is_not_given_to_it()
    {
        await using var db = await postgres.IdentityAsync();
        var account = nats.TakeAccount();
        await using var operators = await account.ConnectAsync();
        await operators.CreateStreamAsync(new() { Name = "identity-changes", Subjects = ["organization.*"] });
        await operators.CreateStreamAsync(new() { Name = "an-application-s-own", Subjects = ["user.sync"] });
        await db.ExecuteAsync(InsertUsers(3));
        await using var relay = await RelayHost.StartAsync(db, account.Settings, RelayHost.Options with { HeldRetry = TimeSpan.FromMilliseconds(200) });

        await relay.JetStream.ReadStreamAsync("auth-events", 3);
        Assert.Contains("stream identity-changes does not take user.sync", (await relay.Logs.LineAsync(2022)).Text, StringComparison.Ordinal);
        Assert.Equal(3, await db.ScalarAsync<long>("SELECT count(*) FROM watchword.outbox WHERE published_at IS NULL AND subject = 'user.sync'"));
        Assert.Equal(0, (await operators.FindStreamAsync("an-application-s-own"))!.State.Messages);

        await operators.DeleteStreamAsync("an-application-s-own");
        await operators.UpdateStreamAsync((await operators.FindStreamAsync("identity-changes"))!.Config with { Subjects = ["organization.*", "user.sync"] });
        Assert.Equal(["u1", "u2", "u3"], (await relay.JetStream.ReadStreamAsync("identity-changes", 3)).Select(e => e.UserId));
    }

    [Fact]
    public async Task Rows_that_somebody_wrote_past_the_triggers_stop_nobody()
    {
        await using var db = await postgres.IdentityAsync();
        await db.ExecuteAsync("""
            SELECT watchword.append(nextval('watchword.outbox_position'), gen_random_uuid(), E'user.\rsync', 'a', '{}'::json, clock_timestamp());
            SELECT watchword.append(nextval('watchword.outbox_position'), gen_random_uuid(), 'user.sync', 'b', '{}'::json, clock_timestamp());
            SELECT watchword.append(nextval('watchword.outbox_position'), gen_random_uuid(), 'user.sync', 'a%41', '{}'::json, clock_timestamp());
            SELECT watchword.append(nextval('watchword.outbox_position'), gen_random_uuid(), 'auth.user.logged_in', 'c', '{"data":{"userId":"c","userAgent":"\ud800"}}'::json, clock_timestamp());
            UPDATE watchword.outbox SET headers = '[1]' WHERE key = 'b';
            UPDATE watchword.outbox SET headers = '{"actor":{"id":1},"origin":"crm"}' WHERE key = 'a%41'
            """);
        await using var relay = await RelayHost.StartAsync(db, nats.TakeAccount().Settings, RelayHost.Options with { Enrichment = new() { Device = true } });

        var changes = await relay.JetStream.ReadStreamAsync("identity-changes", 2);
        Assert.Equal(["b", "a%2541"], changes.Select(e => e.Headers.Find("ce-subject")));
        Assert.Equal([null, "crm"], changes.Select(e => e.Headers.Find("Watchword-Origin")));
        Assert.Equal("a%41", Watchword.Events.Contracts.EventKey.Of("user.sync", changes[1].Headers, "{}"u8));
        await relay.JetStream.ReadStreamAsync("auth-events", 1);
        await Eventually.TrueAsync(async () => (await db.QueryAsync<string>("SELECT key FROM watchword.outbox WHERE published_at IS NULL")) is ["a"]);
    }

    [Fact]
    public async Task An_existing_stream_with_other_settings_is_left_as_it_is()
    {
        await using var db = await postgres.IdentityAsync();
        var account = nats.TakeAccount();
        await using (var other = await account.ConnectAsync())
            await other.CreateStreamAsync(new() { Name = "auth-events", Subjects = ["auth.user.*"], MaxMsgs = 7 });
        await using var relay = await RelayHost.StartAsync(db, account.Settings);
        await relay.Relay.Ready;
        var found = await relay.JetStream.FindStreamAsync("auth-events");
        Assert.Equal(7, found!.Config.MaxMsgs);
        Assert.Equal("max_msgs is 7, not 100000; max_bytes is -1, not 104857600; max_age is 00:00:00, not 7.00:00:00",
            StreamSetup.Differences(Watchword.Events.Contracts.Streams.AuthEvents, found.Config));
    }

    // One message after the other, until it is cancelled; how many they were.
    private static Task<int> PublishAsAnotherAsync(RelayHost relay, CancellationToken done) => Task.Run(async () =>
    {
        var count = 0;
        for (; !done.IsCancellationRequested; count++)
            await relay.JetStream.PublishAsync("user.sync", Encoding.UTF8.GetBytes($$"""{"event":"user.updated","timestamp":"2024-04-16T10:30:00Z","data":{"userId":"foreign","email":"f@example.com"},"version":{{count + 1}}}"""));
        return count;
    });

    private static Task<List<string>> PublishedIdsAsync(TestDatabase db) =>
        db.QueryAsync<string>("SELECT id::text FROM watchword.outbox WHERE subject = 'user.sync' ORDER BY position");

    // What promises 1 and 3 come to: each outbox row once, and rising versions within each user.
    private static void AssertInOrderAndOnce(List<StoredEvent> events, List<string> outbox)
    {
        Assert.Equal(outbox.Order(), events.Select(e => e.MessageId).Order());
        foreach (var user in events.GroupBy(e => e.UserId))
        {
            var versions = user.Select(e => e.Version).ToList();
            Assert.Equal(versions.Order(), versions);
        }
    }
}
