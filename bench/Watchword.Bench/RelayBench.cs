using System.Diagnostics;
using Npgsql;
using Watchword.Events.Contracts;
using Watchword.Events.Outbox;

namespace Watchword.Bench;

/// <summary>How fast the relay empties a filled outbox, and what looking at an empty one costs.</summary>
internal static class RelayBench
{
    private const int Events = 200_000;
    private const int Users = 4_000;
    private const int Rounds = 3;
    private const int Sweeps = 200;

    public static async Task<IReadOnlyList<Figure>> RunAsync(Workbench bench, CancellationToken ct)
    {
        var changes = await bench.IdentityAsync("relay_changes", ct);
        await Fill.SilentUsersAsync(changes, Users, ct);
        await Fill.UpdateAsync(changes, Users, Events / Users, ct);
        var registrations = await bench.IdentityAsync("relay_registrations", ct);
        await Fill.RegisterAsync(registrations, Events / 2, ct);

        List<double> plain = [], mixed = [];
        using var logs = RelayRun.JsonToNowhere();
        for (var round = 0; round <= Rounds; round++)   // the first warms up
        {
            plain.Add(await RoundAsync(changes, null));
            mixed.Add(await RoundAsync(registrations, logs));
        }
        var idle = await IdleSweepAsync(changes, bench, ct);
        await bench.DropAsync(changes, ct);
        await bench.DropAsync(registrations, ct);
        return
        [
            new("relay", "events/s", plain[1..].Rounds(atLeast: 30_000),
                $"{Events:#,0} user.sync events of {Users:#,0} users, until all are published and marked; {Rounds} rounds"),
            new("relay, registrations", "events/s", mixed[1..].Rounds(),
                $"the same with half of them auth.user.registered, each of which logs a line; {Rounds} rounds"),
            idle,
        ];

        async Task<double> RoundAsync(NpgsqlDataSource filled, Microsoft.Extensions.Logging.ILoggerFactory? logs)
        {
            var outbox = await bench.CopyAsync(filled, "relay_round", ct);
            var rate = await RelayRun.CarryAsync(outbox, bench.Nats.Url, Events, logs, ct);
            await bench.DropAsync(outbox, ct);
            return rate;
        }
    }

    // Published rows leave the partial index only when it is vacuumed: a day's worth of them must not slow the next look.
    private static async Task<Figure> IdleSweepAsync(NpgsqlDataSource filled, Workbench bench, CancellationToken ct)
    {
        var outbox = await bench.CopyAsync(filled, "relay_idle", ct);
        await using (var more = outbox.CreateCommand("""
            INSERT INTO watchword.outbox (position, id, stream, subject, key, payload, headers, occurred_at)
            SELECT nextval('watchword.outbox_position'), gen_random_uuid(), stream, subject, key, payload, headers, clock_timestamp()
            FROM watchword.outbox, generate_series(1, 4)
            """))
        {
            more.CommandTimeout = 300;
            await more.ExecuteNonQueryAsync(ct);
        }
        await RelayRun.CarryAsync(outbox, bench.Nats.Url, Events * 5, null, ct);
        var times = new List<double>();
        await using var connection = await outbox.OpenConnectionAsync(ct);
        await using var look = new NpgsqlCommand(RelaySweeper.Unpublished, connection);
        look.Parameters.Add(new() { Value = Array.Empty<string>() });
        look.Parameters.Add(new() { Value = new RelayOptions().SweepSize });
        look.Parameters.Add(new() { Value = Streams.IdentityChanges.Name });
        for (var i = 0; i < Sweeps; i++)
        {
            var start = Stopwatch.GetTimestamp();
            await look.ExecuteNonQueryAsync(ct);
            times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }
        await bench.DropAsync(outbox, ct);
        return new("idle sweep", "ms", [.. times[1..].Percentiles(), new("first", times[0])],
            $"looking for unpublished events behind {Events * 5:#,0} published ones, just marked; {Sweeps} times");
    }
}
