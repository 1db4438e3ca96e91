using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Watchword.Nats;

namespace Watchword.Bench;

/// <summary>How fast messages leave for a server, and come from it, without JetStream.</summary>
internal static class CoreRates
{
    private const int Count = 1_000_000;
    private const int PeerCount = 300_000;
    private const int Rounds = 5;

    public static async Task<IReadOnlyList<Figure>> RunAsync(NatsConnection connection, JavaScriptPeer peer, CancellationToken ct) =>
    [
        await PublishAsync(connection, peer, 16, ct),
        await PublishAsync(connection, peer, 256, ct),
        await SubscribeAsync(connection, peer, 16, ct),
        await SubscribeAsync(connection, peer, 256, ct),
    ];

    private static async Task<Figure> PublishAsync(NatsConnection connection, JavaScriptPeer peer, int size, CancellationToken ct)
    {
        var payload = new byte[size];
        List<double> ours = [], theirs = [];
        for (var round = 0; round <= Rounds; round++)   // the first warms up
        {
            var start = Stopwatch.GetTimestamp();
            for (var i = 0; i < Count; i++)
                await connection.PublishAsync("bench.core", payload, ct: ct);
            await connection.PingAsync(ct);
            ours.Add(Count / Stopwatch.GetElapsedTime(start).TotalSeconds);
            theirs.Add(PeerCount / await peer.SecondsAsync(new { order = "publish", subject = "bench.core", count = PeerCount, size }, ct));
        }
        return new($"core publish, {size} bytes", "messages/s", ours[1..].Beside(theirs[1..], atLeast: 1_500_000),
            $"{Count:#,0} messages ({PeerCount:#,0} of the peer), until the PONG to a PING behind the last; {Rounds} rounds in alternation");
    }

    // The messages come from a bare socket, so that making them costs next to nothing.
    private static async Task<Figure> SubscribeAsync(NatsConnection connection, JavaScriptPeer peer, int size, CancellationToken ct)
    {
        List<double> ours = [], theirs = [];
        for (var round = 0; round <= Rounds; round++)
        {
            await using var subscription = await connection.SubscribeAsync("bench.ours", capacity: PeerCount, ct: ct);
            await connection.PingAsync(ct);
            var received = Task.Run(() => ReceiveAsync(subscription, ct), ct);
            await SendAsync(new Uri(connection.Options.Url).Port, "bench.ours", size, ct);
            ours.Add(PeerCount / await received);
            await peer.OrderAsync(new { order = "subscribe", subject = "bench.theirs", count = PeerCount }, ct);
            await SendAsync(new Uri(connection.Options.Url).Port, "bench.theirs", size, ct);
            theirs.Add(PeerCount / await peer.SecondsAsync(new { order = "received" }, ct));
        }
        return new($"core subscribe, {size} bytes", "messages/s", ours[1..].Beside(theirs[1..]),
            $"{PeerCount:#,0} messages, from the first to the last; {Rounds} rounds in alternation");
    }

    private static async Task<double> ReceiveAsync(NatsSubscription subscription, CancellationToken ct)
    {
        var (count, start) = (0, 0L);
        while (count < PeerCount && await subscription.WaitToReadAsync(ct))
        {
            start = start == 0 ? Stopwatch.GetTimestamp() : start;
            while (subscription.TryRead(out _))
                count++;
        }
        if (subscription.Dropped > 0)
            throw new InvalidOperationException($"The subscription dropped {subscription.Dropped} messages.");
        return Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static async Task SendAsync(int port, string subject, int size, CancellationToken ct)
    {
        const int PerBlock = 500;
        var one = Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture, $"PUB {subject} {size}\r\n{new string('x', size)}\r\n"));
        var block = Enumerable.Repeat(one, PerBlock).SelectMany(b => b).ToArray();
        using var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(IPAddress.Loopback, port, ct);
        await using var stream = new NetworkStream(socket);
        await stream.WriteAsync("CONNECT {\"verbose\":false}\r\n"u8.ToArray(), ct);
        for (var sent = 0; sent < PeerCount; sent += PerBlock)
            await stream.WriteAsync(block, ct);
        await stream.WriteAsync("PING\r\n"u8.ToArray(), ct);
        using var reader = new StreamReader(stream);
        while (await reader.ReadLineAsync(ct) is { } line && line != "PONG")
        {
            // INFO comes first.
        }
    }
}
