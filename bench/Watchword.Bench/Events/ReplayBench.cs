using System.Diagnostics;
using Watchword.Events.Contracts;
using Watchword.Events.Replay;
using NATS.Client.Core;
using Watchword.Events.JetStream;

namespace Watchword.Bench;

/// <summary>How fast events are played again: to a file, to whoever listens, and into a stream.</summary>
internal static class ReplayBench
{
    private const int Users = 20_000;
    private const int Changes = 5;
    private const int Events = Users * Changes;
    private const int Rounds = 3;
    private const string Copies = "bench-copies";

    public static async Task<IReadOnlyList<Figure>> RunAsync(Workbench bench, CancellationToken ct)
    {
        var identity = await bench.IdentityAsync("replay_source", ct);
        await Fill.SilentUsersAsync(identity, Users, ct);
        await Fill.UpdateAsync(identity, Users, Changes, ct);
        await RelayRun.CarryAsync(identity, bench.Nats.Url, Events, null, ct);
        await bench.DropAsync(identity, ct);
        await using var nats = new NatsConnection(new() { Url = bench.Nats.Url });
        await nats.ConnectAsync(ct);
        var jetStream = new JetStream(nats);
        using var folder = new TemporaryFolder();

        List<double> file = [], core = [], stored = [];
        for (var round = 0; round <= Rounds; round++)   // the first warms up
        {
            file.Add(await RoundAsync((r, plan) => r.ToFileAsync(plan, Path.Combine(folder.Path, "events.ndjson"), ct)));
            core.Add(await RoundAsync((r, plan) => r.ToSubjectAsync(plan, "unheard.>", ct: ct)));
            await jetStream.DeleteStreamAsync(Copies, ct);
            await jetStream.CreateStreamAsync(new() { Name = Copies, Subjects = ["copies.>"], Storage = StreamStorage.File }, ct);
            stored.Add(await RoundAsync((r, plan) => r.ToSubjectAsync(plan, "copies.>", ct: ct)));
            if ((await jetStream.FindStreamAsync(Copies, ct))?.State.Messages != Events)
                throw new InvalidOperationException("The copies are not whole.");
        }
        await jetStream.DeleteStreamAsync(Copies, ct);
        var method = $"{Events:#,0} user.sync events of a stream on file, from the plan on; {Rounds} rounds";
        return
        [
            new("replay to a file", "events/s", file[1..].Rounds(atLeast: 30_000), $"{method}; until the file stands, flushed to disk"),
            new("replay to a subject", "events/s", core[1..].Rounds(atLeast: 30_000), $"{method}; until the server has read them all"),
            new("replay into a stream", "events/s", stored[1..].Rounds(atLeast: 30_000), $"{method}; until the last ack of a stream on file"),
        ];

        async Task<double> RoundAsync(Func<EventReplay, ReplayPlan, Task<ReplayResult>> play)
        {
            var replay = new EventReplay(nats, database: null);
            var start = Stopwatch.GetTimestamp();
            var result = await play(replay, await replay.PlanAsync(new(Streams.IdentityChanges.Name), ct));
            var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            return result.Events == Events ? Events / seconds : throw new InvalidOperationException($"{result.Events} events were replayed.");
        }
    }
}
