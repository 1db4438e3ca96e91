using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Watchword.Nats;
using Watchword.Tests;

namespace Watchword.Bench;

/// <summary>How soon a connection is open again once its server is, and whether publishing over it leaves a gap or a duplicate.</summary>
internal static class ReconnectBench
{
    private const int MostBetween = 250;

    /// <summary>How long the server stays away, in turn: a longer absence must not make the return slower.</summary>
    private static readonly double[] Absences = [0, 0.2, 0.5, 1, 2, 0, 0.3, 0.7, 1.5, 4, 0, 0.1];

    public static async Task<IReadOnlyList<Figure>> RunAsync(CancellationToken ct)
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var connection = new NatsConnection(new() { Url = server.Url, Name = "bench" });
        await connection.ConnectAsync(ct);
        var js = new JetStream(connection);
        await js.CreateStreamAsync(new() { Name = "bench", Subjects = ["bench.x"] }, ct);

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var publishing = Task.Run(() => PublishAsync(js, connection, stop.Token), ct);
        List<double> times = [];
        foreach (var absence in Absences)
        {
            times.Add(await RestartAsync(server, connection, TimeSpan.FromSeconds(absence), ct));
            await Task.Delay(300, ct);   // let it publish for a while
        }
        await stop.CancelAsync();
        var published = await publishing;
        var (stored, distinct) = await ReadBackAsync(js, published, ct);
        if (distinct != published || stored != published)
            throw new InvalidOperationException($"{published} messages were acked; the stream holds {stored}, {distinct} of them distinct.");
        return
        [
            new("reconnect after kill -9", "ms", [new("median", times.Percentile(0.5), AtMost: MostBetween), new("max", times.Max(), AtMost: MostBetween), new("min", times.Min())],
                $"{Absences.Length} restarts, the server away for 0 to {Absences.Max():0} s; from its greeting to our open connection"),
            new("publishing meanwhile", "messages",
                [new("published", published), new("in the stream", stored), new("gaps", published - distinct, AtMost: 0), new("duplicates", stored - distinct, AtMost: 0)],
                "with Nats-Msg-Id, what failed published again; read back and compared one by one"),
        ];
    }

    /// <summary>Answers the milliseconds from the server's greeting to our open connection.</summary>
    private static async Task<double> RestartAsync(NatsServer server, NatsConnection connection, TimeSpan absence, CancellationToken ct)
    {
        var open = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
        var gone = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        void watch(NatsConnectionState state)
        {
            if (state == NatsConnectionState.Reconnecting)
                gone.TrySetResult();
            else if (state == NatsConnectionState.Open)
                open.TrySetResult(Stopwatch.GetTimestamp());
        }
        connection.StateChanged += watch;
        try
        {
            await server.KillAsync();
            await gone.Task.WaitAsync(TimeSpan.FromSeconds(10), ct);
            await Task.Delay(absence, ct);
            var starting = server.StartAsync();
            var serves = await ServesAsync(server.Port, ct);
            await starting;
            var opened = await open.Task.WaitAsync(TimeSpan.FromSeconds(30), ct);
            return Math.Max(0, Stopwatch.GetElapsedTime(serves, opened).TotalMilliseconds);
        }
        finally
        {
            connection.StateChanged -= watch;
        }
    }

    /// <summary>When it greets: looked at every millisecond, by nobody whom the measured connection knows of.</summary>
    private static async Task<long> ServesAsync(int port, CancellationToken ct)
    {
        var greeting = new byte[64];
        while (true)
        {
            try
            {
                using var probe = new Socket(SocketType.Stream, ProtocolType.Tcp);
                await probe.ConnectAsync(IPAddress.Loopback, port, ct);
                if (await probe.ReceiveAsync(greeting, ct) > 0)
                    return Stopwatch.GetTimestamp();
            }
            catch (SocketException)
            {
                // Not yet.
            }
            await Task.Delay(1, ct);
        }
    }

    /// <summary>Publishes number after number until it is stopped, each until it is acked; answers how many.</summary>
    private static async Task<long> PublishAsync(JetStream js, NatsConnection connection, CancellationToken ct)
    {
        await using var publisher = js.CreatePublisher();
        var again = new ConcurrentQueue<long>();
        var (next, acked) = (0L, 0L);
        var settling = Task.Run(
            async () =>
            {
                await foreach (var result in publisher.Results.ReadAllAsync(CancellationToken.None))
                {
                    if (result.Error is null)
                        Interlocked.Increment(ref acked);
                    else if (result.Error.IsTransient)
                        again.Enqueue(result.Tag);
                    else
                        throw result.Error;
                }
            },
            CancellationToken.None);
        var headers = new NatsHeaders();
        while (!ct.IsCancellationRequested || Interlocked.Read(ref acked) < next)
        {
            if (settling.IsFaulted)
                await settling;
            if (!again.TryDequeue(out var id))
            {
                if (ct.IsCancellationRequested)
                {
                    await Task.Delay(1, CancellationToken.None);
                    continue;
                }
                id = next++;
            }
            headers.Clear();
            headers.Add("Nats-Msg-Id", id);
            try
            {
                await publisher.PublishAsync("bench.x", BitConverter.GetBytes(id), headers, id, CancellationToken.None);
            }
            catch (NatsDisconnectedException)
            {
                again.Enqueue(id);
                await connection.WaitUntilOpenAsync(CancellationToken.None);
            }
        }
        await publisher.DisposeAsync();
        await settling;
        return next;
    }

    /// <summary>Reads the whole stream; answers how many messages are in it, and how many of the numbers published.</summary>
    private static async Task<(long Stored, long Distinct)> ReadBackAsync(JetStream js, long published, CancellationToken ct)
    {
        var stored = (long)(await js.FindStreamAsync("bench", ct))!.State.Messages;
        await js.CreateConsumerAsync("bench", new() { DurableName = "check", AckPolicy = AckPolicy.None }, ct);
        await using var consumer = await js.ConsumeAsync("bench", "check", ct: ct);
        var seen = new HashSet<long>();
        for (var left = stored; left > 0 && await consumer.WaitToReadAsync(ct);)
        {
            while (consumer.TryRead(out var message))
            {
                left--;
                seen.Add(BitConverter.ToInt64(message.Payload.Span));
                message.Dispose();
            }
        }
        return (stored, seen.Count(number => number >= 0 && number < published));
    }
}
