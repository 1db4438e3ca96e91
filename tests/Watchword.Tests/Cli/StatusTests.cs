using System.Text.Json;
using Watchword.Tests.Events.Replay;

namespace Watchword.Tests.Cli;

/// <summary><c>stream status</c> and <c>consumer status</c>.</summary>
public class StatusTests(PostgresFixture postgres, NatsFixture nats)
{
    [Fact]
    public async Task Streams_show_their_limits_ends_and_newest_audit()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.FillAsync();
        await world.JetStream.PurgeStreamAsync("auth-events", before: 3);
        await using var db = await postgres.IdentityAsync();
        await db.ExecuteAsync("""
            INSERT INTO watchword.stream_audit (stream, at, "full", took, compared, lost, corrected) VALUES
              ('auth-events', '2026-03-01 12:00Z', false, '1 s', 10, 1, 2), ('auth-events', now() - interval '3 hours', true, '1 s', 4711, 3, 5);
            """);

        var table = await RunAsync("stream", world, db);
        var json = await RunAsync("stream", world, db, "--json");

        var row = Assert.Single(table.Lines, l => l.StartsWith("auth-events ", StringComparison.Ordinal));
        Assert.Contains("4 / 100,000", row, StringComparison.Ordinal);
        Assert.Contains("/ 100.0 MiB", row, StringComparison.Ordinal);
        Assert.Contains(" 3–6 ", row, StringComparison.Ordinal);
        Assert.Contains("3 h ago, 3 lost", row, StringComparison.Ordinal);
        Assert.Contains("none yet", Assert.Single(table.Lines, l => l.StartsWith("dead-letters ", StringComparison.Ordinal)), StringComparison.Ordinal);
        var stream = JsonDocument.Parse(json.Output).RootElement.EnumerateArray().First();
        Assert.Equal(("auth-events", 4, 3, 6, 604800), (stream.GetProperty("name").GetString(), stream.GetProperty("messages").GetInt32(),
            stream.GetProperty("firstSequence").GetInt32(), stream.GetProperty("lastSequence").GetInt32(), stream.GetProperty("maxAgeSeconds").GetInt32()));
        Assert.Equal(4711, stream.GetProperty("lastAudit").GetProperty("compared").GetInt32());
    }

    [Fact]
    public async Task Consumers_show_how_far_behind_they_are()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.FillAsync();
        foreach (var name in (string[])["done", "filtered", "reading"])
            await world.JetStream.CreateConsumerAsync("auth-events", new() { DurableName = name, FilterSubject = name == "filtered" ? "auth.user.logged_out" : null });
        foreach (var message in await world.JetStream.FetchAsync("auth-events", "done", 6))
            await message.AckConfirmedAsync();
        var fetched = await world.JetStream.FetchAsync("auth-events", "reading", 2);
        await fetched[0].AckConfirmedAsync();
        var oldest = (await world.JetStream.GetMessageAsync("auth-events", 5))!.StoredAt;

        var json = JsonDocument.Parse((await RunAsync("consumer", world, null, "--json")).Output).RootElement.EnumerateArray().ToDictionary(c => c.GetProperty("name").GetString()!);
        var age = (DateTimeOffset.UtcNow - oldest).TotalSeconds;
        var table = await RunAsync("consumer", world, null);

        Assert.Equal((0, 0, 0.0), Of("done"));
        Assert.Equal((2, 0), (Of("filtered").Pending, Of("filtered").AckPending));
        Assert.InRange(Of("filtered").Lag, 0.0001, age + 0.5);
        Assert.Equal((4, 1), (Of("reading").Pending, Of("reading").AckPending));
        Assert.True(Of("reading").Lag > Of("filtered").Lag - 0.5);
        Assert.Equal(JsonValueKind.Null, json["filtered"].GetProperty("lastActive").ValueKind);
        Assert.Single(table.Lines, l => l.Contains("auth-events", StringComparison.Ordinal) && l.Contains("reading", StringComparison.Ordinal) && l.Contains(" s ", StringComparison.Ordinal));

        (int Pending, int AckPending, double Lag) Of(string name) =>
            (json[name].GetProperty("pending").GetInt32(), json[name].GetProperty("ackPending").GetInt32(), json[name].GetProperty("lagSeconds").GetDouble());
    }

    private static async Task<CommandRun> RunAsync(string verb, ReplayWorld world, TestDatabase? database, params string[] arguments)
    {
        var run = await CommandRun.RunAsync([("NATS_URL", world.Account.Url), .. database is null ? [] : new[] { ("DATABASE_URL", database.ConnectionString) }], [verb, "status", .. arguments]);
        Assert.Equal((0, ""), (run.ExitCode, run.Errors));
        return run;
    }
}
