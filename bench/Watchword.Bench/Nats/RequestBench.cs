using System.Diagnostics;
using Watchword.Nats;

namespace Watchword.Bench;

/// <summary>How long an answer takes, from one connection to another of the same process and back.</summary>
internal static class RequestBench
{
    private const int Size = 16;
    private const int Block = 1000;
    private const int Blocks = 10;

    public static async Task<IReadOnlyList<Figure>> RunAsync(NatsConnection connection, JavaScriptPeer peer, CancellationToken ct)
    {
        await using var other = new NatsConnection(connection.Options);
        await other.ConnectAsync(ct);
        await using var questions = await other.SubscribeAsync("bench.ask", ct: ct);
        await other.PingAsync(ct);
        var answering = Task.Run(async () =>
        {
            await foreach (var question in questions.ReadAllAsync(ct))
                await other.PublishAsync(question.ReplyTo!, question.Payload, ct: ct);
        }, ct);

        List<double> ours = [], theirs = [];
        for (var block = 0; block <= Blocks; block++)   // the first warms up
        {
            var mine = await AskAsync(connection, ct);
            var answer = await peer.OrderAsync(new { order = "request", subject = "bench.askjs", count = Block, size = Size }, ct);
            if (block == 0)
                continue;
            ours.AddRange(mine);
            theirs.AddRange(answer["microseconds"]!.AsArray().Select(n => (double)n!));
        }
        await questions.DisposeAsync();
        await answering;
        return
        [
            new("request and reply", "µs", [.. ours.Percentiles(), .. theirs.Percentiles().Select(v => v with { Name = $"JavaScript {v.Name}" })],
                $"{Block * Blocks:#,0} requests of {Size} bytes one after the other, in alternating blocks of {Block:#,0}; no JetStream"),
        ];
    }

    private static async Task<List<double>> AskAsync(NatsConnection connection, CancellationToken ct)
    {
        var payload = new byte[Size];
        var times = new List<double>(Block);
        for (var i = 0; i < Block; i++)
        {
            var start = Stopwatch.GetTimestamp();
            await connection.RequestAsync("bench.ask", payload, ct: ct);
            times.Add(Stopwatch.GetElapsedTime(start).TotalMicroseconds);
        }
        return times;
    }
}
