using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;
using Watchword.UserSync;

namespace Watchword.Bench;

/// <summary>Measures how fast user sync fills an empty target from a filled stream.</summary>
internal static class SyncBench
{
    private const int Users = 50_000;
    private const int Changes = 6;
    private const int Events = Users * Changes;
    private const int Rounds = 3;

    public static async Task<IReadOnlyList<Figure>> RunAsync(Workbench bench, CancellationToken ct)
    {
        var identity = await bench.IdentityAsync("sync_source", ct);
        await Fill.SilentUsersAsync(identity, Users, ct);
        await Fill.UpdateAsync(identity, Users, Changes, ct);
        await RelayRun.CarryAsync(identity, bench.Nats.Url, Events, null, ct);
        await bench.DropAsync(identity, ct);

        List<double> rates = [];
        for (var round = 0; round <= Rounds; round++)   // the first warms up
        {
            var target = await bench.TargetAsync("sync_round", ct);
            rates.Add(await RoundAsync(target, bench.Nats.Url, ct));
            await bench.DropAsync(target, ct);
        }
        return
        [
            new("user sync", "events/s", rates[1..].Rounds(atLeast: 60_000),
                $"{Events:#,0} user.sync events of {Users:#,0} users into an empty target, until all are acknowledged; {Rounds} rounds"),
        ];
    }

    private static async Task<double> RoundAsync(NpgsqlDataSource target, string server, CancellationToken ct)
    {
        var options = new UserSyncOptions();
        await using var nats = JetStreamClient.Connect(new() { Url = server });
        await nats.WaitUntilOpenAsync(ct);
        await nats.DeleteConsumerAsync(Streams.IdentityChanges.Name!, options.Durable, ct);
        using var worker = new UserSyncWorker(target, nats, options, NullLogger<UserSyncWorker>.Instance);
        await worker.StartAsync(ct);
        await worker.Ready;
        var start = Stopwatch.GetTimestamp();
        while (worker.AppliedTotal < Events)
            await Task.Delay(1, ct);
        while (await nats.FindConsumerAsync(Streams.IdentityChanges.Name!, options.Durable, ct) is not { NumPending: 0, NumAckPending: 0 })
            await Task.Delay(1, ct);
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        await worker.StopAsync(ct);
        await using var count = target.CreateCommand("SELECT count(*) FROM users");
        if (await count.ExecuteScalarAsync(ct) is not (long)Users)
            throw new InvalidOperationException("User sync lost users.");
        return Events / seconds;
    }
}
