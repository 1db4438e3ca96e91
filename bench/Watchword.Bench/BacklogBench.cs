using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Watchword.Events.Outbox;

namespace Watchword.Bench;

/// <summary>Whether the relay slows down behind a backlog of hours, while people go on registering.</summary>
internal static class BacklogBench
{
    private const int Small = 50_000;
    private const int Large = 5_000_000;
    private const int Measured = 50_000;   // of the large one, as many as the small one has
    private const int Rounds = 3;
    private static readonly TimeSpan BetweenRegistrations = TimeSpan.FromMilliseconds(20);

    public static async Task<Figure> RunAsync(Workbench bench, CancellationToken ct)
    {
        var filled = await bench.IdentityAsync("backlog_small", ct);
        await FillAsync(filled, Small, ct);
        List<double> small = [];
        for (var round = 0; round <= Rounds; round++)   // the first warms up
        {
            var outbox = await bench.CopyAsync(filled, "backlog_round", ct);
            small.Add((await RatesAsync(bench, outbox, 1, ct))[0]);
            await bench.DropAsync(outbox, ct);
        }
        await bench.DropAsync(filled, ct);
        var behind = await bench.IdentityAsync("backlog_large", ct);
        await FillAsync(behind, Large, ct);
        var large = await RatesAsync(bench, behind, Rounds + 1, ct);
        await bench.DropAsync(behind, ct);
        var (few, many) = (small[1..].Percentile(0.5), large[1..].Percentile(0.5));
        return new($"relay behind {Large:#,0} events", "× its rate", [new("median", many / few, AtLeast: 0.9)],
            $"{many:#,0} events/s, beside {few:#,0} behind {Small:#,0}; 50 registrations a second meanwhile; {Rounds} times {Measured:#,0} events");
    }

    // Rows as the triggers write them.
    private static async Task FillAsync(NpgsqlDataSource identity, int count, CancellationToken ct)
    {
        await using var command = identity.CreateCommand($$"""
            INSERT INTO watchword.outbox (position, id, stream, subject, key, payload, headers, occurred_at)
            SELECT nextval('watchword.outbox_position'), id, 'identity-changes', 'user.sync', 'u' || i % 100000,
                   json_build_object('event', 'user.updated', 'timestamp', watchword.iso(now()), 'data', watchword.user_data(jsonb_build_object(
                     'id', 'u' || i % 100000, 'email', 'user' || i || '@example.com', 'name', 'User ' || i), NULL), 'id', id, 'version', i, 'schemaVersion', 1), NULL, now()
            FROM (SELECT i, watchword.uuid_v7(now()) AS id FROM generate_series(1, {{count}}) i OFFSET 0) g
            """);
        command.CommandTimeout = 900;
        await command.ExecuteNonQueryAsync(ct);
        await using var tidy = identity.CreateCommand("VACUUM ANALYZE watchword.outbox");
        tidy.CommandTimeout = 900;
        await tidy.ExecuteNonQueryAsync(ct);
    }

    private static async Task<List<double>> RatesAsync(Workbench bench, NpgsqlDataSource outbox, int rounds, CancellationToken ct)
    {
        await using var nats = await bench.ConnectAsync(ct);
        await nats.DeleteStreamsAsync(ct);
        using var relay = new OutboxRelay(outbox, nats, new OutboxSignal(), new(), NullLogger<OutboxRelay>.Instance);
        await relay.StartAsync(ct);
        await relay.Ready;
        using var enough = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var registrations = RegisterAsync(outbox, enough.Token);
        var rates = new List<double>();
        for (var round = 1; round <= rounds; round++)
        {
            var start = Stopwatch.GetTimestamp();
            var before = relay.PublishedTotal;
            while (relay.PublishedTotal < (long)round * Measured)
                await Task.Delay(1, ct);
            rates.Add((relay.PublishedTotal - before) / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }
        await enough.CancelAsync();
        await registrations.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await relay.StopAsync(ct);
        return rates;
    }

    private static async Task RegisterAsync(NpgsqlDataSource identity, CancellationToken ct)
    {
        using var timer = new PeriodicTimer(BetweenRegistrations);
        for (var i = 0; await timer.WaitForNextTickAsync(ct); i++)
        {
            await using var insert = identity.CreateCommand("""INSERT INTO "user" (id, name, email, "emailVerified") VALUES ($1, 'New', $1 || '@example.com', false)""");
            insert.Parameters.Add(new() { Value = $"new{i}" });
            await insert.ExecuteNonQueryAsync(ct);
        }
    }
}
