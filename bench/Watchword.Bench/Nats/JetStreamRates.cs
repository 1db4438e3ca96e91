using System.Diagnostics;
using Watchword.Nats;

namespace Watchword.Bench;

/// <summary>How fast a stream is filled, and read and acked.</summary>
internal static class JetStreamRates
{
    /// <summary>Bytes of each message; no headers.</summary>
    public const int Size = 256;

    private const string Stream = "bench";
    private const string Subject = "bench.x";
    private const int Count = 100_000;
    private const int InFlight = 256;
    private const int Window = 1000;
    private const int Rounds = 5;

    public static async Task<IReadOnlyList<Figure>> PublishAsync(NatsConnection connection, JavaScriptPeer peer, CancellationToken ct)
    {
        var js = new JetStream(connection);
        List<double> ours = [], theirs = [];
        for (var round = 0; round <= Rounds; round++)   // the first warms up
        {
            await RenewAsync(js, ct);
            ours.Add(Count / await PublishAsync(js, ct));
            await RenewAsync(js, ct);
            theirs.Add(Count / await peer.SecondsAsync(new { order = "jetStreamPublish", subject = Subject, count = Count, size = Size, inFlight = InFlight }, ct));
        }
        await js.DeleteStreamAsync(Stream, ct);
        return
        [
            new("JetStream publish", "messages/s", ours[1..].Beside(theirs[1..], atLeast: 80_000),
                $"{Count:#,0} messages of {Size} bytes into an empty stream on file, {InFlight} acks in flight, until the last ack; {Rounds} rounds in alternation"),
        ];
    }

    public static async Task<IReadOnlyList<Figure>> ConsumeAsync(NatsConnection connection, JavaScriptPeer peer, CancellationToken ct)
    {
        var js = new JetStream(connection);
        await RenewAsync(js, ct);
        await PublishAsync(js, ct);
        List<double> ours = [], theirs = [];
        for (var round = 0; round <= Rounds; round++)
        {
            ours.Add(Count / await ConsumeAsync(connection, js, $"ours{round}", ct));
            await js.CreateConsumerAsync(Stream, Durable($"theirs{round}"), ct);
            theirs.Add(Count / await peer.SecondsAsync(new { order = "consume", stream = Stream, consumer = $"theirs{round}", count = Count, window = Window }, ct));
            await CheckAsync(js, $"theirs{round}", ct);
        }
        await js.DeleteStreamAsync(Stream, ct);
        return
        [
            new("pull consume with explicit acks", "messages/s", ours[1..].Beside(theirs[1..], atLeast: 199_000),
                $"{Count:#,0} messages of {Size} bytes, {Window:#,0} under way, until the server has read the last ack; {Rounds} rounds in alternation"),
        ];
    }

    /// <summary>A stream of that name, on file and empty.</summary>
    private static async Task RenewAsync(JetStream js, CancellationToken ct)
    {
        await js.DeleteStreamAsync(Stream, ct);
        await js.CreateStreamAsync(new() { Name = Stream, Subjects = [Subject], Storage = StreamStorage.File }, ct);
    }

    private static ConsumerConfig Durable(string name) => new() { DurableName = name, AckPolicy = AckPolicy.Explicit, MaxAckPending = 20 * Window };

    /// <summary>Answers seconds.</summary>
    private static async Task<double> PublishAsync(JetStream js, CancellationToken ct)
    {
        var payload = new byte[Size];
        await using var publisher = js.CreatePublisher(new() { MaxInFlight = InFlight });
        var start = Stopwatch.GetTimestamp();
        var acked = Task.Run(async () =>
        {
            for (var i = 0; i < Count; i++)
                if ((await publisher.Results.ReadAsync(ct)).Error is { } error)
                    throw error;
        }, ct);
        for (var i = 0; i < Count; i++)
            await publisher.PublishAsync(Subject, payload, headers: null, i, ct);
        await acked;
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static async Task<double> ConsumeAsync(NatsConnection connection, JetStream js, string name, CancellationToken ct)
    {
        await js.CreateConsumerAsync(Stream, Durable(name), ct);
        var start = Stopwatch.GetTimestamp();
        await using var consumer = await js.ConsumeAsync(Stream, name, new() { MaxMessages = Window }, ct);
        for (var left = Count; left > 0 && await consumer.WaitToReadAsync(ct);)
        {
            while (consumer.TryRead(out var message))
            {
                await message.AckAsync(ct);
                left--;
            }
        }
        await connection.PingAsync(ct);
        var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        await CheckAsync(js, name, ct);
        return seconds;
    }

    // A rate counts only when every message was acked, and none came twice. (The server counts acks a little after it has read them.)
    private static async Task CheckAsync(JetStream js, string name, CancellationToken ct)
    {
        var patience = Stopwatch.StartNew();
        ConsumerInfo info;
        while ((info = (await js.FindConsumerAsync(Stream, name, ct))!) is not { AckPending: 0, Pending: 0, Redelivered: 0 } || info.Delivered.Consumer != Count)
        {
            if (patience.Elapsed > TimeSpan.FromSeconds(5))
                throw new InvalidOperationException($"Consumer {name}: {info.AckPending} messages unacked, {info.Pending} undelivered, {info.Delivered.Consumer} deliveries.");
            await Task.Delay(20, ct);
        }
        await js.DeleteConsumerAsync(Stream, name, ct);
    }
}
