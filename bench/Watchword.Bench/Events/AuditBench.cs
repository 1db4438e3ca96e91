using System.Diagnostics;
using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Watchword.Events.Contracts;
using Watchword.Events.Outbox;
using NATS.Client.Core;
using Watchword.Events.JetStream;

namespace Watchword.Bench;

/// <summary>How long the outbox takes to be held against its stream, from end to end.</summary>
internal static class AuditBench
{
    private const int Events = 1_000_000;
    private const int Rounds = 3;

    public static async Task<IReadOnlyList<Figure>> RunAsync(Workbench bench, CancellationToken ct)
    {
        var identity = await bench.IdentityAsync("audit", ct);
        await FillOutboxAsync(identity, ct);
        await using var nats = new NatsConnection(new() { Url = bench.Nats.Url });
        await nats.ConnectAsync(ct);
        var jetStream = new JetStream(nats);
        foreach (var stream in Streams.All)
            await jetStream.DeleteStreamAsync(stream.Name, ct);
        await StreamSetup.EnsureAsync(jetStream, Streams.All, NullLogger.Instance, ct);
        await FillStreamAsync(identity, jetStream, ct);

        var audit = new StreamAudit(identity, jetStream, new(), NullLogger.Instance);
        var seconds = new List<double>();
        for (var round = 0; round <= Rounds; round++)   // the first warms up
        {
            var start = Stopwatch.GetTimestamp();
            var result = await audit.RunAsync(Streams.IdentityChanges, ct);
            seconds.Add(Stopwatch.GetElapsedTime(start).TotalSeconds);
            if (result != new AuditResult(Events, 0, 0))
                throw new InvalidOperationException($"The audit found {result}.");
        }
        foreach (var stream in Streams.All)
            await jetStream.DeleteStreamAsync(stream.Name, ct);
        await bench.DropAsync(identity, ct);
        var measured = seconds[1..];
        return
        [
            new("audit of the stream", "s", [new("median", measured.Percentile(0.5), AtMost: 10), new("min", measured.Min()), new("max", measured.Max())],
                $"{Events:#,0} published rows of the outbox held against a stream on file that has them all; {Rounds} rounds"),
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

    private static async Task FillStreamAsync(NpgsqlDataSource identity, JetStream jetStream, CancellationToken ct)
    {
        await using var publisher = jetStream.CreatePublisher(new() { MaxInFlight = 1024 });
        var acked = Task.Run(async () =>
        {
            for (var i = 0; i < Events; i++)
                if ((await publisher.Results.ReadAsync(ct)).Error is { } error)
                    throw error;
        }, ct);
        await using var rows = identity.CreateCommand("SELECT id, payload::text FROM watchword.outbox ORDER BY position");
        rows.CommandTimeout = 300;
        await using var reader = await rows.ExecuteReaderAsync(ct);
        var headers = new NatsHeaders();
        for (var i = 1L; await reader.ReadAsync(ct); i++)
        {
            headers.Clear();
            headers.Add(EventHeaders.MessageId, reader.GetGuid(0).ToString());
            await publisher.PublishAsync("user.sync", Encoding.UTF8.GetBytes(reader.GetString(1)), headers, i, ct);
        }
        await acked;
    }
}
