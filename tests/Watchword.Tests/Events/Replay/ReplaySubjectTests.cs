using System.Text;
using System.Text.Json;
using NATS.Client.JetStream.Models;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;
using Watchword.Events.Replay;

namespace Watchword.Tests.Events.Replay;

/// <summary>Events published again: marked, in order, and never taken for new events.</summary>
public class ReplaySubjectTests(NatsFixture nats)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_official_client_sees_the_events_and_their_mark()
    {
        await using var world = await FilledAsync("copies", "replay.>");
        var result = await ToAsync(world, new("auth-events") { User = "ada" }, "replay.>");

        var output = await Node.RunAsync("replayed.mjs", JsonSerializer.Serialize(new { nats = world.Account.Url, stream = "copies", count = 3 }));

        Assert.Equal((3, 3), (result.Events, result.Stored));
        Assert.Equal(["copies"], result.Streams);
        var seen = JsonDocument.Parse(output).RootElement.EnumerateArray().ToList();
        Assert.Equal(["replay.auth.user.registered", "replay.auth.user.logged_in", "replay.auth.user.logged_out"], seen.Select(m => m.GetProperty("subject").GetString()));
        Assert.All(seen, m => Assert.Equal("ada", m.GetProperty("event").GetProperty("data").GetProperty("userId").GetString()));
        Assert.Equal(
            $$"""{"Nats-Msg-Id":"{{result.ReplayId}}-id-3","Watchword-Replay":"{{result.ReplayId}}","ce-id":"id-3","ce-subject":"ada","ce-time":"2026-03-01T14:00:00.000Z"}""",
            seen[1].GetProperty("headers").GetRawText());
    }

    [Fact]
    public async Task Headers_that_cannot_be_read_are_left_out()
    {
        await using var world = await FilledAsync("copies", "replay.>");
        await world.Account.PublishRawAsync("auth.user.registered", "NATS/1.0\r\na bad name: x\r\na-value: with\rCR\r\na-good-name: value\r\n\r\n", "{}");
        var result = await ToAsync(world, new("auth-events"), "replay.>");
        Assert.Equal(7, result.Stored);
        // NATS.Net 3.3.2 gives none of a message's headers when one of them is no header.
        Assert.Equal(["Nats-Msg-Id", "Watchword-Replay"], (await world.JetStream.GetMessageAsync("copies", 7))!.Headers!.Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_connection_that_breaks_in_the_middle_of_what_nobody_acknowledges_ends_the_replay()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await using var proxy = new TcpProxy(world.Account.Port);
        await using var client = JetStreamClient.Connect(new() { Url = $"nats://{world.Account.User}:{world.Account.Password}@127.0.0.1:{proxy.Port}" });
        await client.WaitUntilOpenAsync(Ct);
        await using var target = await SubjectTarget.OpenAsync(client, "r", "nobody.stores.this", Ct);
        var stopped = await Assert.ThrowsAsync<ReplayStoppedException>(() => target.RunAsync(EventsAsync(), new(new ReplayPlan("r", new("auth-events"), 1, 7, 1, "")), Ct));
        Assert.Contains("the connection broke, and no stream tells", stopped.Message, StringComparison.Ordinal);
        Assert.EndsWith("Continue from sequence 5: all events before it were published.", stopped.Message, StringComparison.Ordinal);

        async IAsyncEnumerable<ReplayEvent> EventsAsync()
        {
            for (ulong i = 5; i < 8; i++)
            {
                yield return new("auth-events", i, "auth.user.registered", null, "{}"u8.ToArray(), ReplayWorld.Noon, false);
                if (i != 5)
                    continue;
                var before = client.OpenedTotal;
                proxy.Break();
                await Eventually.TrueAsync(() => client.OpenedTotal > before);
            }
        }
    }

    [Fact]
    public async Task Two_replays_are_both_stored_and_one_of_a_replay_bears_its_own_mark()
    {
        await using var world = await FilledAsync("copies", "replay.>");

        var first = await ToAsync(world, new("auth-events"), "replay.>");
        var second = await ToAsync(world, new("copies"), "replay.>");   // into the very stream that it reads

        Assert.Equal((6, 6), (first.Stored, second.Stored));
        Assert.NotEqual(first.ReplayId, second.ReplayId);
        var again = (await world.JetStream.GetMessageAsync("copies", 7))!;
        Assert.Equal("replay.replay.auth.user.registered", again.Subject);
        Assert.Equal(second.ReplayId, again.Headers.Find("Watchword-Replay"));
        Assert.Equal($"{second.ReplayId}-id-1", again.Headers.Find("Nats-Msg-Id"));
        Assert.Equal(12, (await world.JetStream.FindStreamAsync("copies"))!.State.Messages);
    }

    [Fact]
    public async Task Headers_that_the_broker_acts_on_stay_behind()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.JetStream.CreateStreamAsync(new() { Name = "source", Subjects = ["source.*"], AllowRollupHdrs = true });
        await world.JetStream.CreateStreamAsync(new() { Name = "copies", Subjects = ["copy"], AllowRollupHdrs = true });
        await world.JetStream.PublishAsync("copy", "kept"u8.ToArray());
        await world.JetStream.PublishAsync("source.a", "{}"u8.ToArray(), new() { { "Nats-Msg-Id", "a" } });
        await world.JetStream.PublishAsync("source.b", "{}"u8.ToArray(), new() { { "Nats-Expected-Last-Msg-Id", "a" }, { "Nats-Rollup", "sub" }, { "X-Own", "x" } });

        var result = await ToAsync(world, new("source"), "copy");

        Assert.Equal(3, (await world.JetStream.FindStreamAsync("copies"))!.State.Messages);
        var copy = (await world.JetStream.GetMessageAsync("copies", 3))!;
        Assert.Equal(["Nats-Msg-Id", "Watchword-Replay", "X-Own"], copy.Headers!.Keys.Order(StringComparer.Ordinal));
        Assert.Equal($"{result.ReplayId}-source-2", copy.Headers.Find("Nats-Msg-Id"));
        Assert.Equal("a", (await world.JetStream.GetMessageAsync("copies", 2))!.Headers.Find("ce-id"));   // a foreign event's only name
    }

    [Fact]
    public async Task Where_no_stream_listens_those_who_do_have_it_when_it_is_done()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.FillAsync();
        await using var listener = await world.Account.ConnectAsync();
        await using var heard = await listener.Connection.SubscribeCoreAsync<byte[]>("elsewhere", cancellationToken: Ct);
        await listener.Connection.PingAsync(Ct);

        var result = await ToAsync(world, new("auth-events"), "elsewhere");
        await listener.Connection.PingAsync(Ct);

        Assert.Equal((6, 0), (result.Events, result.Stored));
        var bodies = new List<string>();
        while (heard.Msgs.TryRead(out var message))
            bodies.Add(message.Headers.Find("ce-id")!);
        Assert.Equal(["id-1", "id-2", "id-3", "id-4", "id-5", "id-6"], bodies);
    }

    [Fact]
    public async Task What_the_server_does_not_let_through_is_not_reported_as_done()
    {
        await using var server = new NatsServer("""authorization { users: [ { user: u, password: p, permissions: { publish: { deny: ["closed.b"] } } } ] }""");
        await server.StartAsync();
        await using var connection = JetStreamClient.Connect(new() { Url = server.Url.Replace("nats://", "nats://u:p@", StringComparison.Ordinal) });
        await connection.WaitUntilOpenAsync(default);
        await connection.CreateStreamAsync(new() { Name = "source", Subjects = ["a", "b"] });
        foreach (var subject in (string[])["a", "b", "a"])
            await connection.PublishAsync(subject, "{}"u8.ToArray());
        var replay = new EventReplay(connection, database: null);

        var stopped = await Assert.ThrowsAsync<ReplayStoppedException>(async () => await replay.ToSubjectAsync(await replay.PlanAsync(new("source")), "closed.>"));
        var passed = await replay.ToSubjectAsync(await replay.PlanAsync(new("source")), "open.>");

        Assert.IsType<NatsDeniedException>(stopped.InnerException);
        Assert.Contains("closed.b", stopped.Message, StringComparison.Ordinal);
        Assert.Contains("Continue from sequence 2", stopped.Message, StringComparison.Ordinal);
        Assert.Equal((3, 0), (passed.Events, passed.Stored));
    }

    [Theory]
    [InlineData("auth.user.registered", "its readers would take the replay for new events")]
    [InlineData("auth.>", "its readers would take the replay for new events")]
    [InlineData("dlq.sync", "dead-letters")]
    [InlineData("security.alert", "security-alerts")]
    [InlineData("$JS.API.STREAM.DELETE.copies", "belongs to NATS")]
    [InlineData("replay.*", "prefix that ends in .>")]
    [InlineData(">", "prefix that ends in .>")]
    [InlineData("re play", "blanks")]
    [InlineData("replay.", "empty token")]
    public async Task A_target_that_does_harm_is_refused(string target, string reason)
    {
        await using var world = await FilledAsync("copies", "replay.>");
        await world.JetStream.CreateStreamAsync(Watchword.Events.Contracts.Streams.SecurityAlerts);

        var refusal = await Assert.ThrowsAsync<ReplayRefusedException>(() => ToAsync(world, new("auth-events"), target));

        Assert.Equal("toSubject", refusal.Field);
        Assert.Contains(reason, refusal.Reason, StringComparison.Ordinal);
        Assert.Equal(6, (await world.JetStream.FindStreamAsync("auth-events"))!.State.Messages);
        Assert.Equal(0, (await world.JetStream.FindStreamAsync("copies"))!.State.Messages);
    }

    [Fact]
    public async Task Forced_it_goes_into_its_own_stream_once_and_ends()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.FillAsync();

        var result = await ToAsync(world, new("auth-events"), "auth.user.logged_in", force: true);

        Assert.Equal(6, result.Stored);
        Assert.Equal(12, (await world.JetStream.FindStreamAsync("auth-events"))!.State.Messages);
    }

    [Fact]
    public async Task A_target_that_refuses_an_event_stops_it_and_the_place_is_named()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.FillAsync();
        await world.JetStream.CreateStreamAsync(new() { Name = "copies", Subjects = ["copy"], MaxMsgs = 4, Discard = StreamConfigDiscard.New });

        var stopped = await Assert.ThrowsAsync<ReplayStoppedException>(() => ToAsync(world, new("auth-events"), "copy"));

        Assert.Contains("Continue from sequence 5", stopped.Message, StringComparison.Ordinal);
        Assert.Equal(4, (await world.JetStream.FindStreamAsync("copies"))!.State.Messages);
    }

    [Fact]
    public async Task An_event_that_is_too_large_to_be_published_again_is_named_and_can_be_left_out()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.JetStream.CreateStreamAsync(new() { Name = "source", Subjects = ["source"] });
        await world.JetStream.CreateStreamAsync(new() { Name = "copies", Subjects = ["copy"] });
        foreach (var size in (int[])[10, 1 << 20, 10, 10])   // the second fills max_payload, and leaves no room for a header
            await world.JetStream.PublishAsync("source", new byte[size]);

        foreach (var target in (string[])["copy", "nobody.stores.this"])
        {
            var stopped = await Assert.ThrowsAsync<ReplayStoppedException>(() => ToAsync(world, new("source"), target));
            Assert.StartsWith("The replay stopped: event 2 is too large to be published with the replay's headers: ", stopped.Message, StringComparison.Ordinal);
            Assert.Contains("1048576", stopped.Message, StringComparison.Ordinal);
            Assert.EndsWith(". Continue from sequence 3 to leave it out: all events before it were published.", stopped.Message, StringComparison.Ordinal);
            Assert.Equal(3UL, stopped.Next);
            Assert.Equal(2, (await ToAsync(world, new("source") { FromSequence = stopped.Next }, target)).Events);
        }

        Assert.Equal(3, (await world.JetStream.FindStreamAsync("copies"))!.State.Messages);
    }

    [Fact]
    public async Task An_event_that_the_target_stream_finds_too_large_is_named_and_can_be_left_out()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.JetStream.CreateStreamAsync(new() { Name = "source", Subjects = ["source"] });
        await world.JetStream.CreateStreamAsync(new() { Name = "small", Subjects = ["small"], MaxMsgSize = 1_000 });
        foreach (var size in (int[])[10, 2_000, 10])
            await world.JetStream.PublishAsync("source", new byte[size]);

        var stopped = await Assert.ThrowsAsync<ReplayStoppedException>(() => ToAsync(world, new("source"), "small"));

        Assert.StartsWith("The replay stopped: event 2 is too large to be published with the replay's headers: ", stopped.Message, StringComparison.Ordinal);
        Assert.EndsWith(". Continue from sequence 3 to leave it out: all events before it were published.", stopped.Message, StringComparison.Ordinal);
        Assert.Equal(3UL, stopped.Next);
        Assert.Equal(1, (await ToAsync(world, new("source") { FromSequence = stopped.Next }, "small")).Stored);
    }

    [Fact]
    public async Task Whoever_stops_it_and_whatever_it_reads_from_the_place_is_named()
    {
        await using var world = await FilledAsync("copies", "replay.>");
        var plan = new ReplayPlan("r", new("auth-events"), 5, 9, 1, "");
        using var stop = new CancellationTokenSource();

        var byUser = await StopsAsync(stop.CancelAsync, stop.Token);
        var byDatabase = await StopsAsync(() => throw new Npgsql.NpgsqlException("the outbox is away"), CancellationToken.None);

        Assert.Equal((7UL, "The replay stopped. Continue from sequence 7: all events before it were published."), (byUser.Next, byUser.Message));
        Assert.Equal((7UL, "The replay stopped: the outbox is away. Continue from sequence 7: all events before it were published."), (byDatabase.Next, byDatabase.Message));
        Assert.Equal(4, (await world.JetStream.FindStreamAsync("copies"))!.State.Messages);

        async Task<ReplayStoppedException> StopsAsync(Func<Task> after, CancellationToken ct)
        {
            await using var target = await SubjectTarget.OpenAsync(world.JetStream, Guid.NewGuid().ToString(), "replay.>", Ct);
            return await Assert.ThrowsAsync<ReplayStoppedException>(() => target.RunAsync(EventsAsync(after, ct), new(plan), ct));
        }

        static async IAsyncEnumerable<ReplayEvent> EventsAsync(Func<Task> after, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken ct)
        {
            for (ulong i = 5; i < 7; i++)
                yield return new("auth-events", i, "auth.user.registered", null, "{}"u8.ToArray(), ReplayWorld.Noon, false);
            await after();
            ct.ThrowIfCancellationRequested();
        }
    }

    [Fact]
    public async Task Thousands_arrive_in_their_order()
    {
        const int Count = 5_000;
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.JetStream.CreateStreamAsync(new() { Name = "source", Subjects = ["source"] });
        await world.JetStream.CreateStreamAsync(new() { Name = "copies", Subjects = ["replay.>"] });
        await world.JetStream.PublishManyAsync("source", Count, i => Encoding.UTF8.GetBytes($"{i}"));

        Assert.Equal(Count, (await ToAsync(world, new("source"), "replay.>")).Stored);

        Assert.Equal(Enumerable.Range(1, Count).Select(i => $"{i}"), (await world.JetStream.ReadAllAsync("copies")).Select(m => Encoding.UTF8.GetString(m.Payload)));
    }

    private async Task<ReplayWorld> FilledAsync(string stream, string subjects)
    {
        var world = await ReplayWorld.CreateAsync(nats);
        await world.FillAsync();
        await world.JetStream.CreateStreamAsync(new() { Name = stream, Subjects = [subjects] });
        return world;
    }

    private static async Task<ReplayResult> ToAsync(ReplayWorld world, ReplayFilter filter, string target, bool force = false)
    {
        var replay = world.Replay();
        return await replay.ToSubjectAsync(await replay.PlanAsync(filter), target, force);
    }
}
