using System.Diagnostics;
using NATS.Client.JetStream.Models;
using Watchword.Events.Contracts;
using Watchword.Events.Replay;

namespace Watchword.Bench;

/// <summary>Measures how fast events are replayed: to a file, to current subscribers, and into a stream.</summary>
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
        await using var nats = await bench.ConnectAsync(ct);
        using var folder = new TemporaryFolder();

        List<double> file = [], core = [], stored = [];
        for (var round = 0; round <= Rounds; round++)   // the first warms up
        {
            file.Add(await RoundAsync((r, plan) => r.ToFileAsync(plan, Path.Combine(folder.Path, "events.ndjson"), ct)));
            core.Add(await RoundAsync((r, plan) => r.ToSubjectAsync(plan, "unheard.>", ct: ct)));
            await nats.DeleteStreamAsync(Copies, ct);
            await nats.CreateStreamAsync(new() { Name = Copies, Subjects = ["copies.>"], Storage = StreamConfigStorage.File }, ct);
            stored.Add(await RoundAsync((r, plan) => r.ToSubjectAsync(plan, "copies.>", ct: ct)));
            if ((await nats.FindStreamAsync(Copies, ct))?.State.Messages != Events)
                throw new InvalidOperationException("Copies are missing.");
        }
        await nats.DeleteStreamAsync(Copies, ct);
        var method = $"{Events:#,0} user.sync events from a file stream, planning included; {Rounds} rounds";
        return
        [
            new("replay to a file", "events/s", file[1..].Rounds(atLeast: 30_000), $"{method}; until the file is flushed to disk and in place"),
            new("replay to a subject", "events/s", core[1..].Rounds(atLeast: 30_000), $"{method}; until the server has read all of them"),
            new("replay into a stream", "events/s", stored[1..].Rounds(atLeast: 30_000), $"{method}; until the last ack of a file stream"),
        ];

        async Task<double> RoundAsync(Func<EventReplay, ReplayPlan, Task<ReplayResult>> play)
        {
            var replay = new EventReplay(nats, database: null);
            var start = Stopwatch.GetTimestamp();
            var result = await play(replay, await replay.PlanAsync(new(Streams.IdentityChanges.Name!), ct));
            var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            return result.Events == Events ? Events / seconds : throw new InvalidOperationException($"{result.Events} events were replayed.");
        }
    }
}
