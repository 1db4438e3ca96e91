using System.Text.Json;
using Watchword.Events.Replay;

namespace Watchword.Tests.Events.Replay;

/// <summary>A durable consumer that begins where one wants.</summary>
public class ReplayConsumerTests(NatsFixture nats)
{
    [Fact]
    public async Task The_official_client_reads_from_there_on_and_what_comes()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.FillAsync();

        var result = await ToAsync(world, new("auth-events") { FromSequence = 3, Type = "auth.user.logged_in" }, "rebuild");
        await world.PublishAsync("auth.user.logged_in", "eve", ReplayWorld.Noon, "id-7");

        Assert.Equal(2, result.Events);
        var output = await Node.RunAsync("replayed.mjs", JsonSerializer.Serialize(new { nats = world.Account.Url, stream = "auth-events", durable = "rebuild", count = 3 }));
        Assert.Equal([3, 4, 7], JsonDocument.Parse(output).RootElement.EnumerateArray().Select(m => m.GetProperty("seq").GetInt32()));
        Assert.Equal($"Replay {result.ReplayId}", (await world.JetStream.FindConsumerAsync("auth-events", "rebuild"))!.Config.Description);
    }

    [Fact]
    public async Task By_time_it_begins_with_what_was_stored_since()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.FillAsync();
        var stored = (await world.JetStream.GetMessageAsync("auth-events", 5))!.StoredAt;

        Assert.Equal(2, (await ToAsync(world, new("auth-events") { Since = stored }, "late")).Events);
    }

    public static TheoryData<string, ReplayFilter, string, string> Faults { get; } = new()
    {
        { "user", new("auth-events") { User = "ada" }, "c", "replay to a subject instead" },
        { "toSequence", new("auth-events") { ToSequence = 4 }, "c", "leave it out" },
        { "since", new("auth-events") { Since = ReplayWorld.Noon, FromSequence = 1 }, "c", "give one of the two" },
        { "until", new("auth-events") { Until = ReplayWorld.Noon }, "c", "leave it out" },
        { "toConsumer", new("auth-events"), "taken", "has already" },
        { "toConsumer", new("auth-events"), "no.name", "no blanks, dots" },
        { "toConsumer", new("auth-events"), "", "no blanks, dots" },
    };

    [Theory]
    [MemberData(nameof(Faults), DisableDiscoveryEnumeration = true)]
    public async Task What_a_consumer_cannot_do_is_refused_with_a_remedy(string field, ReplayFilter filter, string name, string remedy)
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.FillAsync();
        await world.JetStream.CreateConsumerAsync("auth-events", new() { DurableName = "taken" });

        var refusal = await Assert.ThrowsAsync<ReplayRefusedException>(() => ToAsync(world, filter, name));

        Assert.Equal(field, refusal.Field);
        Assert.Contains(remedy, refusal.Reason, StringComparison.Ordinal);
        Assert.Equal(1, (await world.JetStream.FindStreamAsync("auth-events"))!.State.ConsumerCount);
    }

    [Fact]
    public async Task What_the_stream_holds_no_more_no_consumer_delivers()
    {
        await using var world = await ReplayWorld.CreateAsync(nats);
        await world.FillAsync();
        await world.JetStream.PurgeStreamAsync("auth-events", before: 4);
        // With the database at hand it would be replayed elsewhere: the plan itself is sound.
        await using var database = Npgsql.NpgsqlDataSource.Create("Host=127.0.0.1;Database=unused");
        var replay = new EventReplay(world.Nats, database);

        var refusal = await Assert.ThrowsAsync<ReplayRefusedException>(async () => await replay.ToConsumerAsync(await replay.PlanAsync(new("auth-events")), "c"));

        Assert.Contains("must be 4 or more for a consumer", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("replay to a subject instead", refusal.Message, StringComparison.Ordinal);
        Assert.Null(await world.JetStream.FindConsumerAsync("auth-events", "c"));
        Assert.Equal(3, (await replay.ToConsumerAsync(await replay.PlanAsync(new("auth-events") { FromSequence = 4 }), "c")).Events);
    }

    private static async Task<ReplayResult> ToAsync(ReplayWorld world, ReplayFilter filter, string name)
    {
        var replay = world.Replay();
        return await replay.ToConsumerAsync(await replay.PlanAsync(filter), name);
    }
}
