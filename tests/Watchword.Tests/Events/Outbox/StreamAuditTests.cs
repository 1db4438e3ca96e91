using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using NATS.Client.JetStream.Models;
using Watchword.Events.Contracts;
using Watchword.Events.Outbox;

namespace Watchword.Tests.Events.Outbox;

/// <summary>Promise 7: an acknowledged event survives the broker.</summary>
public class StreamAuditTests(PostgresFixture postgres, NatsFixture nats)
{
    private const string Changes = "identity-changes";

    private static readonly TimeSpan Window = TimeSpan.FromMilliseconds(100);
    private static readonly RelayOptions AuditsAtOnce = RelayHost.Options with { AuditDelay = TimeSpan.Zero };

    private static string Insert(int from, int to) => $"""
        INSERT INTO "user" (id, name, email, "emailVerified") SELECT 'u' || i, 'User ' || i, 'u' || i || '@example.com', false FROM generate_series({from}, {to}) i
        """;

    private static Task<AuditResult> AuditAsync(TestDatabase db, RelayHost relay, string stream = Changes) =>
        new StreamAudit(db.Source, relay.JetStream, RelayHost.Options, NullLogger.Instance).RunAsync(stream, default);

    private static Task CarriedAsync(TestDatabase db) =>
        Eventually.TrueAsync(async () => await db.ScalarAsync<long>("SELECT count(*) FROM watchword.outbox WHERE published_at IS NULL") == 0);

    // Every row has its message, at the place that the row names, and versions rise within each user.
    private static async Task AssertWholeAsync(TestDatabase db, RelayHost relay, int events)
    {
        var stored = await relay.JetStream.ReadStreamAsync(Changes, events);
        Assert.Equal(
            await db.QueryAsync<string>("SELECT stream_seq || ' ' || id FROM watchword.outbox WHERE subject = 'user.sync' ORDER BY stream_seq"),
            stored.Select(e => $"{e.Sequence} {e.MessageId}"));
        foreach (var user in stored.GroupBy(e => e.UserId))
            Assert.Equal(user.Select(e => e.Version).Order(), user.Select(e => e.Version));
    }

    // A day's rows go together, so that some are older than what the audit looks at. Those of an earlier life of the stream
    // name sequences that it has not reached again.
    [Fact]
    public async Task Marks_that_are_older_than_the_stream_s_messages_say_nothing_of_its_end()
    {
        await using var db = await postgres.IdentityAsync();
        var account = nats.TakeAccount();
        await using var operators = await account.ConnectAsync();
        var stream = Streams.IdentityChanges with { DuplicateWindow = Window };
        await operators.CreateStreamAsync(stream);
        await using (await RelayHost.StartAsync(db, account.Settings))
        {
            await db.ExecuteAsync(Insert(1, 50));
            await CarriedAsync(db);
        }
        await db.ExecuteAsync("UPDATE watchword.outbox SET published_at = published_at - interval '7 days 1 hour'");
        await operators.DeleteStreamAsync(Changes);
        await operators.CreateStreamAsync(stream);
        await using (await RelayHost.StartAsync(db, account.Settings))
        {
            await db.ExecuteAsync(Insert(51, 70));
            await CarriedAsync(db);
        }

        // Killed before it had marked the last of them; the next comes when the stream has forgotten their ids.
        await db.ExecuteAsync("UPDATE watchword.outbox SET published_at = NULL, stream_seq = NULL WHERE subject = 'user.sync' AND key IN (SELECT 'u' || i FROM generate_series(61, 70) i)");
        await operators.WindowPassedAsync(Window);
        await using var relay = await RelayHost.StartAsync(db, account.Settings);
        await CarriedAsync(db);

        Assert.Equal(20, (await operators.FindStreamAsync(Changes))!.State.Messages);
        Assert.Empty(relay.Logs.Of(2033));
    }

    [Fact]
    public async Task What_a_wiped_server_lost_is_published_again_before_anything_newer()
    {
        await using var db = await postgres.IdentityAsync();
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var relay = await RelayHost.StartAsync(db, new() { Url = server.Url });
        await db.ExecuteAsync(Insert(1, 300));
        await db.ExecuteAsync("""UPDATE "user" SET name = 'second'""");
        await CarriedAsync(db);

        await server.KillAsync();
        server.LoseData();
        await db.ExecuteAsync("""UPDATE "user" SET name = 'away'""");
        await server.StartAsync();

        await relay.Logs.LineAsync(2031);
        await CarriedAsync(db);
        await AssertWholeAsync(db, relay, 900);
        var stored = await relay.JetStream.ReadStreamAsync(Changes, 900);
        Assert.All(stored, e => Assert.Equal(e.Json.GetProperty("data").GetProperty("name").GetString() == "away" ? null : "1", e.Headers.Find("Watchword-Republished")));
        Assert.Equal((600, false), (await db.ScalarAsync<long>("SELECT lost FROM watchword.stream_audit WHERE stream = 'identity-changes' AND \"full\""),
            await db.ScalarAsync<bool>("SELECT took = interval '0' FROM watchword.stream_audit WHERE stream = 'identity-changes' AND \"full\"")));
    }

    [Fact]
    public async Task An_idle_relay_notices_that_the_streams_are_gone()
    {
        await using var db = await postgres.IdentityAsync();
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var relay = await RelayHost.StartAsync(db, new() { Url = server.Url });
        await db.ExecuteAsync(Insert(1, 50));
        await CarriedAsync(db);

        await server.KillAsync();
        server.LoseData();
        await server.StartAsync();

        await AssertWholeAsync(db, relay, 50);
        Assert.Equal(50, (await relay.JetStream.ReadStreamAsync("auth-events", 50)).Count);
    }

    [Fact]
    public async Task A_lost_tail_alone_is_published_again()
    {
        await using var db = await postgres.IdentityAsync();
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var relay = await RelayHost.StartAsync(db, new() { Url = server.Url });
        await db.ExecuteAsync(Insert(1, 100));
        await CarriedAsync(db);
        await server.StopAsync();
        server.SaveData();
        await server.StartAsync();
        await db.ExecuteAsync("""UPDATE "user" SET name = 'after the backup'""");
        await CarriedAsync(db);

        await server.KillAsync();
        server.RestoreData();
        await db.ExecuteAsync("""UPDATE "user" SET name = 'newest' WHERE id = 'u1'""");
        await server.StartAsync();

        await relay.Logs.LineAsync(2031);
        await CarriedAsync(db);
        await AssertWholeAsync(db, relay, 201);
        Assert.Equal(100, (await relay.JetStream.ReadStreamAsync(Changes, 201)).Count(e => e.Headers.Find("Watchword-Republished") == "1"));
        Assert.Single(relay.Logs.Of(2031));   // auth-events ended before the backup
    }

    [Fact]
    public async Task A_stream_that_is_deleted_while_connected_comes_back_with_the_next_event()
    {
        await using var db = await postgres.IdentityAsync();
        await using var relay = await RelayHost.StartAsync(db, nats.TakeAccount().Settings);
        await db.ExecuteAsync(Insert(1, 30));
        await CarriedAsync(db);

        await relay.JetStream.DeleteStreamAsync(Changes);
        await db.ExecuteAsync("""UPDATE "user" SET name = 'newer' WHERE id = 'u7'""");

        await relay.Logs.LineAsync(2031);
        await CarriedAsync(db);
        await AssertWholeAsync(db, relay, 31);
    }

    [Fact]
    public async Task What_was_lost_while_no_relay_ran_is_published_again_by_the_next()
    {
        await using var db = await postgres.IdentityAsync();
        await using var server = new NatsServer();
        await server.StartAsync();
        await using (await RelayHost.StartAsync(db, new() { Url = server.Url }))
        {
            await db.ExecuteAsync(Insert(1, 40));
            await CarriedAsync(db);
        }
        await server.KillAsync();
        server.LoseData();
        await db.ExecuteAsync("""UPDATE "user" SET name = 'newer'""");
        await server.StartAsync();

        await using var relay = await RelayHost.StartAsync(db, new() { Url = server.Url });
        await CarriedAsync(db);
        await AssertWholeAsync(db, relay, 80);
    }

    [Fact]
    public async Task What_was_stored_and_never_marked_is_not_stored_again_after_the_duplicate_window()
    {
        await using var db = await postgres.IdentityAsync();
        var account = nats.TakeAccount();
        await using var operators = await account.ConnectAsync();
        await operators.CreateStreamAsync(Streams.IdentityChanges with { DuplicateWindow = Window });
        await using (var first = await RelayHost.StartAsync(db, account.Settings))
        {
            await db.ExecuteAsync(Insert(1, 50));
            await CarriedAsync(db);
            await first.JetStream.PublishAsync("user.sync", "{}"u8.ToArray());   // somebody else's, behind them
        }
        // As a process leaves them that was killed before it could mark, or a database that lost its last commits.
        await db.ExecuteAsync("UPDATE watchword.outbox SET published_at = NULL, stream_seq = NULL WHERE subject = 'user.sync' AND stream_seq > 30");
        await operators.WindowPassedAsync(Window);

        await using var relay = await RelayHost.StartAsync(db, account.Settings);
        await db.ExecuteAsync(Insert(51, 51));
        await CarriedAsync(db);
        var stored = await relay.JetStream.ReadStreamAsync(Changes, 52);
        Assert.Equal(52, (await relay.JetStream.FindStreamAsync(Changes))!.State.Messages);
        Assert.Equal(
            await db.QueryAsync<string>("SELECT stream_seq || ' ' || id FROM watchword.outbox WHERE subject = 'user.sync' ORDER BY stream_seq"),
            stored.Where(e => e.Headers is not null).Select(e => $"{e.Sequence} {e.MessageId}"));
    }

    [Fact]
    public async Task An_audit_that_finds_no_stream_makes_the_relay_begin_anew()
    {
        await using var db = await postgres.IdentityAsync();
        await using var relay = await RelayHost.StartAsync(db, nats.TakeAccount().Settings, AuditsAtOnce with { AuditInterval = TimeSpan.FromMilliseconds(200) });
        await db.ExecuteAsync(Insert(1, 30));
        await db.ExecuteAsync("""UPDATE "user" SET name = 'second'""");
        await CarriedAsync(db);
        await relay.JetStream.DeleteStreamAsync(Changes);
        Assert.Contains("was deleted", (await relay.Logs.LineAsync(2001)).Text, StringComparison.Ordinal);
        await Eventually.TrueAsync(async () => (await relay.JetStream.FindStreamAsync(Changes))?.State.Messages == 60);
        await CarriedAsync(db);
        await AssertWholeAsync(db, relay, 60);
    }

    [Fact]
    public async Task A_message_that_is_missing_in_the_middle_is_found_by_the_whole_audit()
    {
        await using var db = await postgres.IdentityAsync();
        var account = nats.TakeAccount();
        await CreateAsync(account, Streams.IdentityChanges with { DuplicateWindow = Window });
        await using (var first = await RelayHost.StartAsync(db, account.Settings))
        {
            await db.ExecuteAsync(Insert(1, 20));
            await CarriedAsync(db);
            await first.JetStream.DeleteMessageAsync(Changes, 7);
            await first.JetStream.WindowPassedAsync(Window);
        }

        await using var relay = await RelayHost.StartAsync(db, account.Settings, AuditsAtOnce);
        var again = (await relay.JetStream.ReadStreamAsync(Changes, 20))[^1];
        Assert.Equal(("u7", 21UL, "1"), (again.UserId, again.Sequence, again.Headers.Find("Watchword-Republished")));
        await CarriedAsync(db);
        Assert.Equal(new AuditResult(20, 0, 0), await AuditAsync(db, relay));
    }

    [Fact]
    public async Task A_hole_that_the_stream_would_still_take_for_a_duplicate_waits()
    {
        await using var db = await postgres.IdentityAsync();
        await using var relay = await RelayHost.StartAsync(db, nats.TakeAccount().Settings);
        await db.ExecuteAsync(Insert(1, 5));
        await CarriedAsync(db);
        await relay.JetStream.DeleteMessageAsync(Changes, 3);

        Assert.Equal(new AuditResult(5, 0, 0), await AuditAsync(db, relay));
        await db.ExecuteAsync("UPDATE watchword.outbox SET published_at = published_at - interval '3 minutes'");
        Assert.Equal(new AuditResult(5, 1, 0), await AuditAsync(db, relay));
    }

    [Fact]
    public async Task What_the_limits_or_a_purge_discarded_is_not_lost()
    {
        await using var db = await postgres.IdentityAsync();
        var account = nats.TakeAccount();
        await CreateAsync(account, Streams.IdentityChanges with { MaxMsgs = 10 });
        await using var relay = await RelayHost.StartAsync(db, account.Settings);
        await db.ExecuteAsync(Insert(1, 30));
        await CarriedAsync(db);

        Assert.Equal(new AuditResult(10, 0, 0), await AuditAsync(db, relay));
        await relay.JetStream.PurgeStreamAsync(Changes);
        Assert.Equal(new AuditResult(0, 0, 0), await AuditAsync(db, relay));
    }

    [Fact]
    public async Task A_stream_that_keeps_a_number_per_subject_has_holes_of_its_own()
    {
        await using var db = await postgres.IdentityAsync();
        var account = nats.TakeAccount();
        await CreateAsync(account, Streams.AuthEvents with { MaxMsgsPerSubject = 2 });
        await using var relay = await RelayHost.StartAsync(db, account.Settings);
        await db.ExecuteAsync("SELECT watchword.append_auth_event('logged_out', 'u1')");
        await db.ExecuteAsync("SELECT watchword.append_auth_event('logged_in', 'u' || i) FROM generate_series(1, 6) i");
        await CarriedAsync(db);
        await db.ExecuteAsync("UPDATE watchword.outbox SET published_at = published_at - interval '3 minutes'");

        Assert.Equal(new AuditResult(7, 0, 0), await AuditAsync(db, relay, Streams.AuthEvents.Name!));
    }

    [Fact]
    public async Task A_row_that_names_the_wrong_place_is_corrected_and_not_published_again()
    {
        await using var db = await postgres.IdentityAsync();
        await using var relay = await RelayHost.StartAsync(db, nats.TakeAccount().Settings);
        await db.ExecuteAsync(Insert(1, 10));
        await CarriedAsync(db);
        var right = await db.QueryAsync<long>("SELECT stream_seq FROM watchword.outbox WHERE subject = 'user.sync' ORDER BY position");
        await db.ExecuteAsync("UPDATE watchword.outbox SET stream_seq = 11 - stream_seq WHERE subject = 'user.sync' AND stream_seq NOT IN (5, 6)");

        Assert.Equal(new AuditResult(10, 0, 8), await AuditAsync(db, relay));
        Assert.Equal(right, await db.QueryAsync<long>("SELECT stream_seq FROM watchword.outbox WHERE subject = 'user.sync' ORDER BY position"));
    }

    [Fact]
    public async Task Foreign_messages_sampled_old_and_waiting_rows_are_no_losses()
    {
        await using var db = await postgres.IdentityAsync();
        var account = nats.TakeAccount();
        await using var relay = await RelayHost.StartAsync(db, account.Settings);
        await relay.Relay.Ready;
        await relay.JetStream.PublishAsync("user.sync", "{}"u8.ToArray());
        await db.ExecuteAsync(Insert(1, 6));
        await CarriedAsync(db);
        await relay.DisposeAsync();   // else it would carry what is to wait

        await db.ExecuteAsync("UPDATE watchword.outbox SET stream_seq = NULL WHERE key = 'u1'");                                          // sampled out
        await db.ExecuteAsync("UPDATE watchword.outbox SET stream_seq = 99, published_at = now() - interval '8 days' WHERE key = 'u2'");  // past the retention
        await db.ExecuteAsync("UPDATE watchword.outbox SET stream_seq = 98, published_at = now() + interval '1 hour' WHERE key = 'u3'");  // marked after the audit began
        await db.ExecuteAsync("UPDATE watchword.outbox SET stream_seq = NULL, published_at = NULL WHERE key = 'u4'");                     // waiting
        await db.ExecuteAsync("UPDATE watchword.outbox SET stream_seq = 1 WHERE key = 'u5' AND subject = 'user.sync'");                   // a foreign message stands there; its own elsewhere

        await using var connection = await account.ConnectAsync();
        var audit = new StreamAudit(db.Source, connection, RelayHost.Options, NullLogger.Instance);
        Assert.Equal(new AuditResult(2, 0, 1), await audit.RunAsync(Changes, default));
        Assert.Equal("u4", Assert.Single(await db.QueryAsync<string>("SELECT DISTINCT key FROM watchword.outbox WHERE published_at IS NULL")));
    }

    [Fact]
    public async Task A_stream_that_was_wiped_and_filled_by_others_gets_its_events_back()
    {
        await using var db = await postgres.IdentityAsync();
        var account = nats.TakeAccount();
        await using (await RelayHost.StartAsync(db, account.Settings))
        {
            await db.ExecuteAsync(Insert(1, 10));
            await CarriedAsync(db);
        }
        await using (var operators = await account.ConnectAsync())
        {
            await operators.DeleteStreamAsync(Changes);
            await operators.CreateStreamAsync(Streams.IdentityChanges);
            for (var i = 0; i < 20; i++)
                await operators.PublishAsync("user.sync", """{"event":"user.updated","data":{"userId":"foreign"}}"""u8.ToArray());
        }

        await using var relay = await RelayHost.StartAsync(db, account.Settings);
        await CarriedAsync(db);
        var stored = await relay.JetStream.ReadStreamAsync(Changes, 30);
        Assert.Equal(Enumerable.Range(1, 10).Select(i => $"u{i}"), stored.Skip(20).Select(e => e.UserId));
    }

    [Fact]
    public async Task A_hundred_thousand_rows_are_compared_in_seconds_and_the_finding_is_kept()
    {
        const int Count = 50_000;   // in each of the two streams
        await using var db = await postgres.IdentityAsync();
        await using var relay = await RelayHost.StartAsync(db, nats.TakeAccount().Settings);
        await db.ExecuteAsync($"""
            INSERT INTO watchword.outbox (position, id, stream, subject, key, payload, occurred_at)
            SELECT nextval('watchword.outbox_position'), gen_random_uuid(), CASE i % 2 WHEN 0 THEN 'identity-changes' ELSE 'auth-events' END,
                   CASE i % 2 WHEN 0 THEN 'user.sync' ELSE 'auth.user.logged_out' END, 'u' || i, json_build_object('i', i), now()
            FROM generate_series(1, {2 * Count}) i
            """);
        await CarriedAsync(db);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        var audit = new StreamAudit(db.Source, relay.JetStream, RelayHost.Options, relay.Logs.CreateLogger("audit"));

        foreach (var stream in StreamAudit.Audited)
            Assert.Equal(new AuditResult(Count, 0, 0), await audit.RunAsync(stream.Name!, patience.Token));
        Assert.Equal(["auth-events 50000 0 0", "identity-changes 50000 0 0"], await db.QueryAsync<string>(
            "SELECT concat_ws(' ', stream, compared, lost, corrected) FROM watchword.stream_audit WHERE \"full\" AND took > interval '0' AND at > now() - interval '1 minute' ORDER BY 1"));
        Assert.Contains(relay.Logs.Of(2030), l => l.Level == LogLevel.Debug);
    }

    private static async Task CreateAsync(NatsAccount account, StreamConfig stream)
    {
        await using var operators = await account.ConnectAsync();
        await operators.CreateStreamAsync(stream);
    }
}
