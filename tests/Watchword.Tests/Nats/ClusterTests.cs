using System.Collections.Concurrent;
using Watchword.Nats;

namespace Watchword.Tests.Nats;

/// <summary>Three servers, a stream on all of them, and its leader killed again and again.</summary>
public sealed class ClusterTests : IAsyncLifetime
{
    // A pull that waits at a leader dies with it: the sooner the silence is noticed, the sooner it goes on.
    private static readonly ConsumeOptions Brisk = new() { Expires = TimeSpan.FromSeconds(10), Heartbeat = TimeSpan.FromMilliseconds(500) };

    private readonly NatsCluster _cluster = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync() => await _cluster.StartAsync();

    public ValueTask DisposeAsync() => _cluster.DisposeAsync();

    [Fact]
    public async Task The_leader_killed_three_times_under_load_costs_no_acknowledged_message_and_stores_none_twice()
    {
        await using var connection = await ConnectAsync();
        var js = new JetStream(connection);
        await js.CreateStreamAsync(new StreamConfig { Name = "s", Subjects = ["s.>"], Replicas = 3 }, Ct);
        await js.CreateConsumerAsync("s", new ConsumerConfig { DurableName = "c", AckWait = TimeSpan.FromSeconds(2), MaxAckPending = 5000 }, Ct);
        await js.CreateConsumerAsync("s", new ConsumerConfig { DurableName = "all", AckPolicy = AckPolicy.None }, Ct);
        await using var readersOwn = await ConnectAsync();
        await using var consumer = await new JetStream(readersOwn).ConsumeAsync("s", "c", Brisk, Ct);
        var seen = new ConcurrentDictionary<int, byte>();
        var reading = ReadAsync(consumer, seen);
        await using var load = new Load(connection);

        for (var kills = 0; kills < 3; kills++)
        {
            await load.AcksAsync(1000);
            var leader = await _cluster.LeaderAsync(js, "s");
            await leader.KillAsync();
            await load.AcksAsync(1000);
            Assert.NotSame(leader, await _cluster.LeaderAsync(js, "s"));
            await leader.StartAsync();
            await NatsCluster.CaughtUpAsync(connection, "s");
        }

        var acked = await load.SettleAsync();
        var stored = await StoredAsync(js, acked.Count);
        Assert.True(load.Failures > 0, "no publish failed: the leader was not killed under load");
        Assert.Equal(acked, stored);
        await Eventually.TrueAsync(() => Task.FromResult(seen.Count == acked.Count));
        Assert.Equal(acked.Keys, seen.Keys.Order());
        await consumer.DisposeAsync();
        await reading;
    }

    private async Task<NatsConnection> ConnectAsync()
    {
        var connection = new NatsConnection(new NatsOptions { Url = _cluster.Url, RequestTimeout = TimeSpan.FromSeconds(2) });
        await connection.ConnectAsync(Ct);
        return connection;
    }

    private static async Task ReadAsync(PullConsumer consumer, ConcurrentDictionary<int, byte> seen)
    {
        await foreach (var message in consumer.ReadAllAsync(Ct))
        {
            seen[BitConverter.ToInt32(message.Payload.Span)] = 0;
            try
            {
                await message.AckAsync(Ct);
            }
            catch (NatsDisconnectedException)
            {
                // It comes again.
            }
        }
    }

    /// <summary>Every message of the stream: its number and where it lies. A number that is there twice fails here.</summary>
    private static async Task<SortedDictionary<int, ulong>> StoredAsync(JetStream js, int count)
    {
        var stored = new SortedDictionary<int, ulong>();
        await NatsCluster.EventuallyAsync(async () => (await js.FindConsumerAsync("s", "all", Ct))?.Cluster?.Leader is not null);
        await using var consumer = await js.ConsumeAsync("s", "all", Brisk, Ct);
        JetStreamMessage message;
        do
        {
            message = await PullConsumerTests.NextAsync(consumer);
            stored.Add(BitConverter.ToInt32(message.Payload.Span), message.StreamSequence);
        }
        while (message.Pending > 0);
        Assert.Equal((ulong)count, (await js.FindStreamAsync("s", Ct))!.State.Messages);
        return stored;
    }

    /// <summary>Publishes numbered messages without pause, and each that fails again, under the same Nats-Msg-Id, until it is acked.</summary>
    private sealed class Load : IAsyncDisposable
    {
        private readonly NatsConnection _connection;
        private readonly JetStreamPublisher _publisher;
        private readonly ConcurrentQueue<int> _again = new();
        private readonly SortedDictionary<int, ulong> _acked = [];
        private readonly SemaphoreSlim _acks = new(0);
        private readonly Task _publishing;
        private readonly Task _collecting;
        private volatile bool _stop;
        private volatile bool _refused;
        private int _open;

        public Load(NatsConnection connection)
        {
            _connection = connection;
            _publisher = new JetStream(connection).CreatePublisher(new JetStreamPublisherOptions { MaxInFlight = 16, AckTimeout = TimeSpan.FromSeconds(2) });
            _publishing = Task.Run(PublishAsync, Ct);
            _collecting = Task.Run(CollectAsync, Ct);
        }

        public int Failures { get; private set; }

        /// <summary>Waits for that many more acks.</summary>
        public async Task AcksAsync(int count)
        {
            while (count-- > 0)
                Assert.True(await _acks.WaitAsync(TimeSpan.FromMinutes(1), Ct), "no ack for a minute");
        }

        /// <summary>No new messages; when the last one is acked: each with its place in the stream.</summary>
        public async Task<SortedDictionary<int, ulong>> SettleAsync()
        {
            _stop = true;
            await _publishing;
            await _publisher.DisposeAsync();
            await _collecting;
            return _acked;
        }

        public ValueTask DisposeAsync() => _publisher.DisposeAsync();

        private async Task PublishAsync()
        {
            var headers = new NatsHeaders();
            var next = 0;
            while (true)
            {
                if (!_again.TryDequeue(out var number))
                {
                    if (_stop && Volatile.Read(ref _open) == 0 && _again.IsEmpty)
                        return;
                    if (_stop)
                    {
                        await Task.Yield();
                        continue;
                    }

                    number = next++;
                }

                headers.Clear();
                headers.Add("Nats-Msg-Id", number);
                Interlocked.Increment(ref _open);
                try
                {
                    await _publisher.PublishAsync("s.x", BitConverter.GetBytes(number), headers, number, Ct);
                }
                catch (NatsDisconnectedException)
                {
                    _again.Enqueue(number);
                    Interlocked.Decrement(ref _open);
                    await _connection.WaitUntilOpenAsync(Ct);
                }

                if (_refused)
                {
                    // Nobody leads just now, and no signal says when somebody will.
                    _refused = false;
                    await Task.Delay(20, Ct);
                }
            }
        }

        private async Task CollectAsync()
        {
            await foreach (var result in _publisher.Results.ReadAllAsync(Ct))
            {
                if (result.Error is null)
                {
                    _acked.Add((int)result.Tag, result.Ack.Sequence);
                    _acks.Release();
                }
                else
                {
                    Assert.True(result.Error.IsTransient, result.Error.Message);
                    Failures++;
                    _refused = result.Error is NatsNoRespondersException;
                    _again.Enqueue((int)result.Tag);
                }

                Interlocked.Decrement(ref _open);
            }
        }
    }
}
