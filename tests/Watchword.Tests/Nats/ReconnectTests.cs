using Watchword.Nats;

namespace Watchword.Tests.Nats;

/// <summary>Each of these has a server of its own, and kills it.</summary>
public class ReconnectTests
{
    private static readonly ConsumeOptions Brisk = new() { Expires = TimeSpan.FromMinutes(5), Heartbeat = TimeSpan.FromMilliseconds(200) };

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task After_kill_9_subscriptions_stand_and_what_waited_has_failed()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var connection = await ConnectAsync(server);
        await using var subscription = await connection.SubscribeAsync("a.>", ct: Ct);
        await using var silent = await connection.SubscribeAsync("silent", ct: Ct);
        var asked = connection.RequestAsync("silent", timeout: TimeSpan.FromMinutes(5), ct: Ct);
        await silent.ReadAsync(Ct);
        var down = NextStateAsync(connection, NatsConnectionState.Reconnecting);

        await server.KillAsync();
        await down;
        await Assert.ThrowsAsync<NatsDisconnectedException>(async () => await asked);
        await Assert.ThrowsAsync<NatsDisconnectedException>(async () => await connection.PublishAsync("a.1", ct: Ct));
        await Assert.ThrowsAsync<NatsDisconnectedException>(async () => await connection.PingAsync(Ct));
        await Assert.ThrowsAsync<NatsDisconnectedException>(async () => await new JetStream(connection).PublishAsync("a.1", default, ct: Ct));
        await using var meanwhile = await connection.SubscribeAsync("b", ct: Ct);

        await server.StartAsync();
        await connection.WaitUntilOpenAsync(Ct);
        await connection.PublishAsync("a.2", ct: Ct);
        await connection.PublishAsync("b", ct: Ct);
        Assert.Equal("a.2", (await subscription.ReadAsync(Ct)).Subject);
        Assert.Equal("b", (await meanwhile.ReadAsync(Ct)).Subject);
        Assert.Equal(1, connection.ReconnectCount);
    }

    [Fact]
    public async Task A_service_may_start_while_nats_is_away()
    {
        await using var server = new NatsServer();
        await using var connection = new NatsConnection(Options(server));
        connection.Start();
        await using var subscription = await connection.SubscribeAsync("a", ct: Ct);
        var open = connection.WaitUntilOpenAsync(Ct);
        await server.StartAsync();
        await open;
        await connection.PublishAsync("a", ct: Ct);

        Assert.Equal("a", (await subscription.ReadAsync(Ct)).Subject);
        Assert.Equal(0, connection.ReconnectCount);
    }

    [Fact]
    public async Task A_server_that_falls_silent_is_given_up_and_found_again()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var connection = new NatsConnection(Options(server) with
        {
            PingInterval = TimeSpan.FromMilliseconds(50),
            ConnectTimeout = TimeSpan.FromMilliseconds(500),
        });
        await connection.ConnectAsync(Ct);
        var down = NextStateAsync(connection, NatsConnectionState.Reconnecting);
        var up = NextStateAsync(connection, NatsConnectionState.Open);

        server.Suspend();
        await down;
        Assert.Contains("silent", connection.LastError!.Message, StringComparison.Ordinal);
        server.Resume();
        await up;
        await connection.PingAsync(Ct);
        Assert.Equal(1, connection.ReconnectCount);
    }

    [Fact]
    public async Task Publishers_wait_for_room_while_the_server_is_silent_and_fail_when_it_is_gone()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var connection = new NatsConnection(Options(server) with { WriteBufferBytes = 64 * 1024 });
        await connection.ConnectAsync(Ct);
        server.Suspend();
        var payload = new byte[32 * 1024];
        Task publish;
        do
            publish = connection.PublishAsync("a", payload, ct: Ct).AsTask();
        while (await Task.WhenAny(publish, Task.Delay(300, Ct)) == publish);
        await server.KillAsync();

        await Assert.ThrowsAsync<NatsDisconnectedException>(() => publish);
    }

    [Fact]
    public async Task Each_publish_gives_one_result_though_the_server_is_killed_again_and_again()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var connection = await ConnectAsync(server);
        var js = await JetStreamPublishTests.StreamAsync(connection);
        await using var publisher = js.CreatePublisher(new JetStreamPublisherOptions { AckTimeout = TimeSpan.FromSeconds(2) });
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var publishing = Task.Run(() => PublishUntilAsync(connection, publisher, stop.Token), Ct);

        var acked = new SortedSet<long>();
        var seen = new SortedSet<long>();
        var failed = 0;
        for (var kills = 0; kills < 3; kills++)
        {
            await CollectAsync(2000);
            await server.RestartAsync();
        }

        await CollectAsync(2000);
        await stop.CancelAsync();
        var accepted = await publishing;
        while (seen.Count < accepted.Count)
            Take(await publisher.Results.ReadAsync(Ct));

        Assert.Equal(accepted, seen);
        Assert.True(failed > 0);
        Assert.Equal(3, connection.ReconnectCount);
        Assert.Equal(0, publisher.InFlight);
        Assert.False(publisher.Results.TryRead(out _));
        var info = (await js.FindStreamAsync("s", Ct))!;
        Assert.True(info.State.Messages >= (ulong)acked.Count);

        async Task CollectAsync(int more)
        {
            for (var until = acked.Count + more; acked.Count < until;)
                Take(await publisher.Results.ReadAsync(Ct));
        }

        void Take(PublishResult result)
        {
            Assert.True(seen.Add(result.Tag));
            if (result.Error is null)
                acked.Add(result.Tag);
            else
                failed++;
        }
    }

    [Fact]
    public async Task A_consumer_outlives_kill_9_and_loses_nothing()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var connection = await ConnectAsync(server);
        var js = await PullConsumerTests.FilledAsync(
            connection, 5000, new ConsumerConfig { DurableName = "c", AckWait = TimeSpan.FromSeconds(1), MaxAckPending = 2000 });
        await using var consumer = await js.ConsumeAsync("s", "c", ct: Ct);

        var seen = new HashSet<int>();
        var kill = Task.CompletedTask;
        while (seen.Count < 5000)
        {
            var message = await PullConsumerTests.NextAsync(consumer);
            if (seen.Add(BitConverter.ToInt32(message.Payload.Span)) && (seen.Count is 1000 or 3000) && kill.IsCompleted)
                kill = server.RestartAsync();
            try
            {
                await message.AckAsync(Ct);
            }
            catch (NatsDisconnectedException)
            {
                // It comes again.
            }
        }

        await kill;
        Assert.Equal(Enumerable.Range(0, 5000), seen.Order());
        Assert.InRange(connection.ReconnectCount, 1, 2);
    }

    [Fact]
    public async Task A_consumer_whose_heartbeats_stop_pulls_again()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var proxy = new FrameProxy(server.Port);
        await using var connection = new NatsConnection(new NatsOptions { Url = proxy.Url });
        await connection.ConnectAsync(Ct);
        var js = await PullConsumerTests.FilledAsync(connection, 0);
        await using var consumer = await js.ConsumeAsync("s", "c", Brisk, Ct);
        await proxy.SeeAsync(frame => frame is { Verb: "HMSG", Nth: 2 });
        Assert.Single(proxy.Seen, IsPull);

        // No heartbeat gets through, though the connection stands.
        proxy.OnServerFrame = frame => frame.Verb == "HMSG" ? FrameAction.Drop : FrameAction.Pass;
        await proxy.SeeAsync(frame => IsPull(frame) && proxy.Seen.Count(IsPull) > 1);
        proxy.OnServerFrame = null;
        await js.PublishAsync("s.x", default, ct: Ct);

        Assert.Equal(1UL, (await PullConsumerTests.NextAsync(consumer)).StreamSequence);
        Assert.Equal(0, connection.ReconnectCount);

        static bool IsPull(WireFrame frame) => frame.Subject.StartsWith("$JS.API.CONSUMER.MSG.NEXT.", StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_consumer_deleted_while_we_were_away_ends_its_reader()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var connection = await ConnectAsync(server);
        await PullConsumerTests.FilledAsync(connection, 1, new ConsumerConfig { Name = "c", InactiveThreshold = TimeSpan.FromMilliseconds(100) });
        await using var consumer = await new JetStream(connection).ConsumeAsync("s", "c", Brisk, Ct);
        await PullConsumerTests.NextAsync(consumer);
        await server.RestartAsync();

        await using var other = await ConnectAsync(server);
        await new JetStream(other).DeleteStreamAsync("s", Ct);

        var error = await Assert.ThrowsAsync<JetStreamApiException>(async () => await WaitForEndAsync(consumer));
        Assert.Equal(JetStreamApi.ConsumerNotFound, error.ErrorCode);
    }

    private static async Task WaitForEndAsync(PullConsumer consumer)
    {
        while (await consumer.WaitToReadAsync(Ct))
            consumer.TryRead(out _);
    }

    private static async Task<SortedSet<long>> PublishUntilAsync(NatsConnection connection, JetStreamPublisher publisher, CancellationToken stop)
    {
        var accepted = new SortedSet<long>();
        for (var tag = 0L; ; tag++)
        {
            try
            {
                await publisher.PublishAsync("s.x", BitConverter.GetBytes(tag), headers: null, tag, stop);
                accepted.Add(tag);
            }
            catch (NatsDisconnectedException)
            {
                await connection.WaitUntilOpenAsync(Ct);
            }
            catch (OperationCanceledException)
            {
                return accepted;
            }
        }
    }

    private static NatsOptions Options(NatsServer server) => new() { Url = server.Url, ReconnectDelayMax = TimeSpan.FromMilliseconds(200) };

    private static async Task<NatsConnection> ConnectAsync(NatsServer server)
    {
        var connection = new NatsConnection(Options(server));
        await connection.ConnectAsync(Ct);
        return connection;
    }

    private static Task NextStateAsync(NatsConnection connection, NatsConnectionState wanted)
    {
        var reached = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        connection.StateChanged += state =>
        {
            if (state == wanted)
                reached.TrySetResult();
        };
        return reached.Task.WaitAsync(TimeSpan.FromSeconds(30), Ct);
    }

    [Fact]
    public async Task After_a_reconnect_a_subscription_takes_only_what_remains_of_its_messages()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var connection = new NatsConnection(new NatsOptions { Url = server.Url });
        await connection.ConnectAsync(Ct);
        await using var subscription = await connection.SubscribeAsync("a", maxMessages: 5, ct: Ct);
        await connection.PublishAsync("a", new byte[] { 0 }, ct: Ct);
        await connection.PublishAsync("a", new byte[] { 1 }, ct: Ct);
        await connection.PingAsync(Ct);

        await server.RestartAsync();
        await Eventually.TrueAsync(() => connection.ReconnectCount == 1);
        await connection.WaitUntilOpenAsync(Ct);
        for (var i = 2; i < 9; i++)
            await connection.PublishAsync("a", new[] { (byte)i }, ct: Ct);

        Assert.Equal([0, 1, 2, 3, 4], await subscription.ReadAllAsync(Ct).Select(m => (int)m.Payload.Span[0]).ToListAsync(Ct));
    }

    [Fact]
    public void A_subscription_with_an_end_tells_the_server_how_much_remains()
    {
        var subscription = new Subscription(receiver: null!, "a.b", "q", maxMessages: 5) { Sid = 7 };

        Assert.Equal("SUB a.b q 7\r\nUNSUB 7 5\r\n"u8.ToArray(), subscription.Command());
        Assert.False(subscription.IsLast());
        Assert.False(subscription.IsLast());
        Assert.Equal("SUB a.b q 7\r\nUNSUB 7 3\r\n"u8.ToArray(), subscription.Command());
    }
}
