using System.Diagnostics;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using NATS.Client.Core;
using Npgsql;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;
using Watchword.Events.Outbox;

namespace Watchword.Bench;

/// <summary>Measures how long it takes to compare the whole outbox with its stream.</summary>
internal static class AuditBench
{
    private const int Events = 1_000_000;
    private const int MaxInFlight = 1024;
    private const int Rounds = 3;

    public static async Task<IReadOnlyList<Figure>> RunAsync(Workbench bench, CancellationToken ct)
    {
        var identity = await bench.IdentityAsync("audit", ct);
        await FillOutboxAsync(identity, ct);
        await using var nats = await bench.ConnectAsync(ct);
        await nats.DeleteStreamsAsync(ct);
        await StreamSetup.EnsureAsync(nats, Streams.All, NullLogger.Instance, ct);
        await FillStreamAsync(identity, nats, ct);

        var audit = new StreamAudit(identity, nats, new(), NullLogger.Instance);
        var seconds = new List<double>();
        for (var round = 0; round <= Rounds; round++)   // the first warms up
        {
            var start = Stopwatch.GetTimestamp();
            var result = await audit.RunAsync(Streams.IdentityChanges.Name!, ct);
            seconds.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            if (result != new AuditResult(Events, 0, 0))
                throw new InvalidOperationException($"The audit found {result}.");
        }
        await nats.DeleteStreamsAsync(ct);
        await bench.DropAsync(identity, ct);
        var measured = seconds[1..];
        return
        [
            new("audit of the stream", "s", [new("median", measured.Percentile(0.5), AtMost: 10), new("min", measured.Min()), new("max", measured.Max())],
                $"{Events:#,0} published rows of the outbox, all of which the file stream has; {Rounds} rounds"),
        ];
    }

    private static async Task FillOutboxAsync(NpgsqlDataSource identity, CancellationToken ct)
    {
        await using var fill = identity.CreateCommand($$$"""
            INSERT INTO watchword.outbox (position, id, stream, subject, key, payload, occurred_at, published_at, stream_seq)
            SELECT i, gen_random_uuid(), 'identity-changes', 'user.sync', 'u' || i % 20000,
                   ('{"subject":"user.sync","data":{"userId":"u' || i % 20000 || '","name":"User ' || i || '","email":"user' || i || '@example.com"}}')::json,
                   now(), now(), i
            FROM generate_series(1, {{{Events}}}) i
            """);
        fill.CommandTimeout = 300;
        await fill.ExecuteNonQueryAsync(ct);
        await using var tidy = identity.CreateCommand("VACUUM ANALYZE watchword.outbox");
        tidy.CommandTimeout = 300;
        await tidy.ExecuteNonQueryAsync(ct);
    }

    private static async Task FillStreamAsync(NpgsqlDataSource identity, JetStreamClient nats, CancellationToken ct)
    {
        await using var publisher = await PublishWindow.OpenAsync(nats, MaxInFlight, ct);
        var acked = Task.Run(async () =>
        {
            for (var i = 0; i < Events; i++)
                if ((await publisher.Results.ReadAsync(ct)).Error is { } error)
                    throw error;
        }, ct);
        await using var rows = identity.CreateCommand("SELECT id, payload::text FROM watchword.outbox ORDER BY position");
        rows.CommandTimeout = 300;
        await using var reader = await rows.ExecuteReaderAsync(ct);
        for (var i = 1L; await reader.ReadAsync(ct); i++)
        {
            var headers = new NatsHeaders { [EventHeaders.MessageId] = reader.GetGuid(0).ToString() };
            await publisher.PublishAsync("user.sync", Encoding.UTF8.GetBytes(reader.GetString(1)), headers, i, ct);
        }
        await acked;
    }
}
