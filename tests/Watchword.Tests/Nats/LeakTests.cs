using System.Globalization;
using System.Text.Json;
using Watchword.Nats;

namespace Watchword.Tests.Nats;

/// <summary>
/// A long life in a short time. These count sockets and timers of the whole process, so nothing else runs beside them.
/// </summary>
[Collection(nameof(LeakTests))]
[CollectionDefinition(nameof(LeakTests), DisableParallelization = true)]
public sealed class LeakTests : IAsyncLifetime
{
    private readonly int _monitoring = TestPorts.Free();
    private readonly NatsServer _server;

    public LeakTests() => _server = new(string.Create(CultureInfo.InvariantCulture, $"http: \"127.0.0.1:{_monitoring}\""));

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => await _server.StartAsync();

    public ValueTask DisposeAsync() => _server.DisposeAsync();

    [Fact]
    public async Task Ten_thousand_connections_come_and_go_and_leave_nothing_behind()
    {
        await using (var connection = await ConnectAsync(_server.Url))
            await PullConsumerTests.FilledAsync(connection, 1);
        await LiveAsync(_server.Url, jetStream: true);
        var before = await MeasureQuietAsync();
        var lives = new WeakReference[10_000];

        await Parallel.ForAsync(0, lives.Length, new ParallelOptions { MaxDegreeOfParallelism = 8, CancellationToken = Ct },
            async (i, _) => lives[i] = await LiveAsync(_server.Url, jetStream: i % 10 == 0));

        await SettlesAsync(before);
        // Each thread may still hold the one that it worked on last.
        Assert.InRange(lives.Count(life => life.IsAlive), 0, 8);
    }

    /// <summary>Real ones: SIGKILL, and a new start on the same data, which takes a nats-server 25 ms.</summary>
    [Fact]
    public async Task A_thousand_restarts_leave_one_connection_and_its_subscriptions_as_they_were()
    {
        await using var proxy = new TcpProxy(_server.Port);
        await using (var connection = await ConnectAsync(_server.Url))
            await PullConsumerTests.FilledAsync(connection, 0);
        var before = await MeasureQuietAsync();
        await using (var connection = await ConnectAsync(string.Create(CultureInfo.InvariantCulture, $"nats://127.0.0.1:{proxy.Port}")))
        {
            var js = new JetStream(connection);
            await using var subscription = await connection.SubscribeAsync("a.>", ct: Ct);
            await using var consumer = await js.ConsumeAsync("s", "c", ct: Ct);
            await using var publisher = js.CreatePublisher();
            await RestartAsync(100);
            var (early, bytes) = (await MeasureAsync(), GC.GetTotalMemory(forceFullCollection: true));
            await RestartAsync(900);

            await SettlesAsync(early);
            Assert.Equal(1, early.Connections);
            // A session has more than 64 KiB of buffers: nine hundred of them could not hide.
            Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - bytes, long.MinValue, 4_000_000);
            Assert.Equal(1000, connection.ReconnectCount);

            async Task RestartAsync(int times)
            {
                for (var i = 1; i <= times; i++)
                {
                    var open = NextOpenAsync(connection);
                    await _server.RestartAsync();
                    await open;
                    // All three work again, with what they are told in this session.
                    await publisher.PublishAsync("s.x", BitConverter.GetBytes(i), headers: null, i, Ct);
                    Assert.Null((await publisher.Results.ReadAsync(Ct)).Error);
                    JetStreamMessage message;
                    do
                        message = await PullConsumerTests.NextAsync(consumer);
                    while (BitConverter.ToInt32(message.Payload.Span) != i);
                    await message.AckAsync(Ct);
                    await connection.PublishAsync("a.b", BitConverter.GetBytes(i), ct: Ct);
                    Assert.Equal(i, BitConverter.ToInt32((await subscription.ReadAsync(Ct)).Payload.Span));
                }
            }
        }

        await SettlesAsync(before);
    }

    /// <summary>One client's life: it connects, does a little of everything, and goes.</summary>
    private static async Task<WeakReference> LiveAsync(string url, bool jetStream)
    {
        await using var connection = await ConnectAsync(url);
        var subject = Guid.NewGuid().ToString();
        await using var subscription = await connection.SubscribeAsync(subject, ct: Ct);
        await connection.PublishAsync(subject, ct: Ct);
        await subscription.ReadAsync(Ct);
        await Assert.ThrowsAsync<NatsNoRespondersException>(async () => await connection.RequestAsync("nobody", ct: Ct));
        if (jetStream)
        {
            var js = new JetStream(connection);
            await using var publisher = js.CreatePublisher();
            await publisher.PublishAsync("s.x", default, headers: null, 1, Ct);
            Assert.Null((await publisher.Results.ReadAsync(Ct)).Error);
            await using var consumer = await js.ConsumeAsync("s", "c", new ConsumeOptions { MaxMessages = 1 }, Ct);
        }

        return new WeakReference(connection);
    }

    private static async Task<NatsConnection> ConnectAsync(string url)
    {
        var connection = new NatsConnection(new NatsOptions
        {
            Url = url,
            RequestTimeout = TimeSpan.FromSeconds(30),
            ReconnectDelayMin = TimeSpan.FromMilliseconds(1),
            ReconnectDelayMax = TimeSpan.FromMilliseconds(2),
        });
        await connection.ConnectAsync(Ct);
        return connection;
    }

    private static Task NextOpenAsync(NatsConnection connection)
    {
        var open = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        connection.StateChanged += Look;
        return open.Task.WaitAsync(TimeSpan.FromSeconds(30), Ct);

        void Look(NatsConnectionState state)
        {
            if (state != NatsConnectionState.Open)
                return;
            connection.StateChanged -= Look;
            open.TrySetResult();
        }
    }

    /// <summary>Waits until there is no more of anything than there was.</summary>
    private async Task SettlesAsync(Footprint before)
    {
        Footprint now = null!;
        try
        {
            await Eventually.TrueAsync(async () =>
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
                now = await MeasureAsync();
                return now.Sockets <= before.Sockets && now.Timers <= before.Timers
                    && now.Connections <= before.Connections && now.Subscriptions <= before.Subscriptions;
            });
        }
        catch (Xunit.Sdk.XunitException)
        {
            Assert.Fail($"Before: {before}. Now: {now}.");
        }
    }

    /// <summary>When the server has noticed that the last connection is gone, which it does a moment later.</summary>
    private async Task<Footprint> MeasureQuietAsync()
    {
        Footprint quiet = null!;
        await Eventually.TrueAsync(async () => (quiet = await MeasureAsync()).Connections == 0);
        return quiet;
    }

    private async Task<Footprint> MeasureAsync()
    {
        using var http = new HttpClient { BaseAddress = new Uri($"http://127.0.0.1:{_monitoring}") };
        var connections = await ReadAsync("/connz", "num_connections");
        var subscriptions = await ReadAsync("/subsz", "num_subscriptions");
        return new Footprint(Directory.GetFiles("/proc/self/fd").Count(IsSocket), Timer.ActiveCount, connections, subscriptions);

        async Task<int> ReadAsync(string path, string member)
        {
            using var json = JsonDocument.Parse(await http.GetStringAsync(path, Ct));
            return json.RootElement.GetProperty(member).GetInt32();
        }
    }

    private static bool IsSocket(string descriptor)
    {
        try
        {
            return File.ResolveLinkTarget(descriptor, returnFinalTarget: false)?.Name.StartsWith("socket:", StringComparison.Ordinal) ?? false;
        }
        catch (IOException)
        {
            return false; // closed meanwhile
        }
    }

    /// <summary>What there is of us: here, and at the server.</summary>
    private sealed record Footprint(int Sockets, long Timers, int Connections, int Subscriptions);
}
