using System.Diagnostics;
using Npgsql;

namespace Watchword.Bench;

/// <summary>Whether anybody who signs in notices that NATS is away.</summary>
internal static class BrokerBench
{
    private const int Logins = 200;
    private const int Block = 25;
    private const int Warmup = 20;
    private const string Email = "broker@example.com";

    public static async Task<IReadOnlyList<Figure>> RunAsync(Workbench bench, CancellationToken ct)
    {
        var identity = await bench.IdentityAsync("broker_identity", ct);
        var target = await bench.TargetAsync("broker_target", ct);
        List<double> up = [], stopped = [];
        await using (var server = await ServerProcess.StartAsync(ct,
            ("DATABASE_URL", bench.ConnectionString("broker_identity")), ("TARGET_DATABASE_URL", bench.ConnectionString("broker_target")),
            ("NATS_URL", bench.Nats.Url), ("BETTER_AUTH_SECRET", Guid.NewGuid().ToString())))
        {
            await server.RegisterAsync(Email, ct);
            await LogInAsync(server, Warmup, [], ct);
            // In alternation, so that a change of the machine's speed hits both alike.
            while (stopped.Count < Logins)
            {
                await CaughtUpAsync(identity, ct);
                await LogInAsync(server, Block, up, ct);
                await bench.Nats.KillAsync();
                await LogInAsync(server, Block, stopped, ct);
                await bench.Nats.StartAsync();
            }
        }
        await bench.DropAsync(identity, ct);
        await bench.DropAsync(target, ct);
        return
        [
            new("login while NATS is killed", "× NATS up",
                [new("p95", stopped.Percentile(0.95) / up.Percentile(0.95), AtMost: 1.10), new("p50", stopped.Percentile(0.5) / up.Percentile(0.5))],
                $"{Logins} logins each, in alternating blocks of {Block}; p95 {stopped.Percentile(0.95):0.0} ms against {up.Percentile(0.95):0.0} ms"),
        ];
    }

    private static async Task LogInAsync(ServerProcess server, int count, List<double> times, CancellationToken ct)
    {
        for (var i = 0; i < count; i++)
        {
            var start = Stopwatch.GetTimestamp();
            await server.LoginAsync(Email, ct);
            times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }
    }

    // The events of the blocks without NATS have followed: the server has found it again.
    private static async Task CaughtUpAsync(NpgsqlDataSource identity, CancellationToken ct)
    {
        for (var clock = Stopwatch.StartNew(); ; await Task.Delay(50, ct))
        {
            await using var waiting = identity.CreateCommand("SELECT count(*) FROM watchword.outbox WHERE published_at IS NULL");
            if (await waiting.ExecuteScalarAsync(ct) is 0L)
                return;
            if (clock.Elapsed > TimeSpan.FromSeconds(30))
                throw new InvalidOperationException("The server did not carry its events within 30 s of NATS's return.");
        }
    }
}
