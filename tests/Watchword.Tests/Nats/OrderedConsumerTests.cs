using Watchword.Nats;

namespace Watchword.Tests.Nats;

public class OrderedConsumerTests(NatsFixture nats)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private static ConsumeOptions Small => new() { MaxMessages = 4, Heartbeat = TimeSpan.FromMilliseconds(500) };

    [Fact]
    public async Task Ten_thousand_messages_come_in_order_and_once()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await FilledAsync(connection, 10_000);
        await using var consumer = await js.OrderedConsumeAsync("s", ct: Ct);
        Assert.False(consumer.IsCaughtUp);

        for (var i = 1UL; i <= 10_000; i++)
        {
            var message = await NextAsync(consumer);
            Assert.Equal((i, (int)i - 1), (message.StreamSequence, BitConverter.ToInt32(message.Payload.Span)));
            Assert.Equal(i == 10_000, consumer.IsCaughtUp);
        }

        Assert.Equal(0, consumer.RestartCount);
    }

    [Fact]
    public async Task Its_consumer_is_a_throw_away_that_goes_with_it()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await FilledAsync(connection, 1);
        var consumer = await js.OrderedConsumeAsync("s", ct: Ct);
        await NextAsync(consumer);

        var info = Assert.Single(await js.ListConsumersAsync("s", Ct).ToListAsync(Ct));
        Assert.Null(info.Config.DurableName);
        Assert.Equal((AckPolicy.None, true, 1), (info.Config.AckPolicy, info.Config.MemoryStorage, info.Config.Replicas));
        Assert.Equal(TimeSpan.FromMinutes(5), info.Config.InactiveThreshold);
        await consumer.DisposeAsync();
        await consumer.DisposeAsync();
        Assert.Empty(await js.ListConsumerNamesAsync("s", Ct).ToListAsync(Ct));
        Assert.False(await consumer.WaitToReadAsync(Ct));
    }

    [Fact]
    public async Task A_deleted_consumer_is_replaced_behind_the_last_message_read()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await FilledAsync(connection, 100);
        await using var consumer = await js.OrderedConsumeAsync("s", new OrderedConsumerOptions { Consume = Small }, Ct);
        for (var i = 1UL; i <= 100; i++)
        {
            Assert.Equal(i, (await NextAsync(consumer)).StreamSequence);
            if (i % 30 == 0)
                await DeleteConsumerAsync(js);
        }

        await DeleteConsumerAsync(js); // while it waits
        var next = NextAsync(consumer);
        await js.PublishAsync("s.0", default, ct: Ct);
        Assert.Equal(101UL, (await next).StreamSequence);
        Assert.True(consumer.RestartCount >= 3, $"{consumer.RestartCount} restarts");
    }

    [Fact]
    public async Task Deliveries_that_went_elsewhere_are_a_gap_and_come_again()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await FilledAsync(connection, 60);
        await using var consumer = await js.OrderedConsumeAsync("s", new OrderedConsumerOptions { Consume = Small }, Ct);
        Assert.Equal(1UL, (await NextAsync(consumer)).StreamSequence);

        // Whoever pulls from the same consumer takes deliveries away from it.
        var name = await js.ListConsumerNamesAsync("s", Ct).SingleAsync(Ct);
        await using (var thief = await js.ConsumeAsync("s", name, new ConsumeOptions { MaxMessages = 10 }, Ct))
            Assert.True(await thief.WaitToReadAsync(Ct));

        for (var i = 2UL; i <= 60; i++)
            Assert.Equal(i, (await NextAsync(consumer)).StreamSequence);
        Assert.True(consumer.RestartCount >= 1);
        Assert.NotEqual(name, await js.ListConsumerNamesAsync("s", Ct).SingleAsync(Ct));
    }

    [Fact]
    public async Task What_was_lost_with_the_connection_comes_though_nothing_follows_it()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var proxy = new TcpProxy(server.Port);
        await using var direct = await ConnectAsync(server.Port);
        var js = await FilledAsync(direct, 8);
        await using var connection = await ConnectAsync(proxy.Port);
        await using var consumer = await new JetStream(connection).OrderedConsumeAsync("s", new OrderedConsumerOptions { Consume = Small }, Ct);
        Assert.True(await consumer.WaitToReadAsync(Ct));

        // The last four deliveries never reach the reader: another takes them, since its own window is full.
        await Eventually.TrueAsync(async () => await js.ListConsumersAsync("s", Ct).SingleAsync(Ct) is { Delivered.Stream: 4 });
        Assert.Equal(4, (await js.FetchAsync("s", await js.ListConsumerNamesAsync("s", Ct).SingleAsync(Ct), 4, TimeSpan.FromSeconds(10), Ct)).Count);
        for (var i = 1UL; i <= 4; i++)
            Assert.Equal(i, (await NextAsync(consumer)).StreamSequence);
        proxy.Break();

        for (var i = 5UL; i <= 8; i++)
            Assert.Equal(i, (await NextAsync(consumer)).StreamSequence);
        Assert.Single(await js.ListConsumerNamesAsync("s", Ct).ToListAsync(Ct)); // the old one, still there after the drop, was deleted
    }

    [Fact]
    public async Task It_goes_on_over_server_restarts_while_messages_are_published()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var connection = await ConnectAsync(server.Port);
        var js = await FilledAsync(connection, 500);
        await using var consumer = await js.OrderedConsumeAsync("s", ct: Ct);

        // All that is published has an id: whatever becomes of an ack, it is stored once.
        var publishing = Task.Run(
            async () =>
            {
                for (var i = 500; i < 1500; i++)
                    await PublishSurelyAsync(js, i);
            },
            Ct);
        for (var i = 0; i < 1500; i++)
        {
            var next = NextAsync(consumer);
            if (await Task.WhenAny(next, publishing) == publishing)
                await publishing; // which may have failed: then there is nothing to wait for
            var message = await next;
            Assert.Equal(i, BitConverter.ToInt32(message.Payload.Span));
            Assert.Equal((ulong)i + 1, message.StreamSequence);
            if (i is 300 or 700 or 1100)
                await server.RestartAsync();
        }

        await publishing;
        Assert.True(consumer.RestartCount > 0); // not three: it begins again when what had arrived is read, and once may do for two
    }

    [Fact]
    public async Task A_reader_that_pauses_over_a_restart_goes_on_when_it_comes_back()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var connection = await ConnectAsync(server.Port);
        var js = await FilledAsync(connection, 20);
        await using var consumer = await js.OrderedConsumeAsync("s", new OrderedConsumerOptions { Consume = Small }, Ct);
        Assert.Equal(1UL, (await NextAsync(consumer)).StreamSequence);
        await server.RestartAsync();
        await connection.WaitUntilOpenAsync(Ct);
        await PublishSurelyAsync(js, 20);

        for (var i = 2UL; i <= 21; i++)
            Assert.Equal(i, (await NextAsync(consumer)).StreamSequence);
    }

    [Fact]
    public async Task A_silent_server_is_noticed_by_its_missing_heartbeats()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var connection = await ConnectAsync(server.Port);
        var js = await FilledAsync(connection, 2);
        await using var consumer = await js.OrderedConsumeAsync("s", new OrderedConsumerOptions { Consume = Small with { Heartbeat = TimeSpan.FromMilliseconds(100) } }, Ct);
        await NextAsync(consumer);
        await NextAsync(consumer);

        server.Suspend();
        var next = NextAsync(consumer);
        await Eventually.TrueAsync(() => Task.FromResult(consumer.RestartCount > 0));
        server.Resume();
        await PublishSurelyAsync(js, 3);

        Assert.Equal(3UL, (await next).StreamSequence);
    }

    [Fact]
    public async Task What_comes_between_the_beginning_and_a_restart_is_not_missed_though_nothing_was_read_yet()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await FilledAsync(connection, 5);
        await using var consumer = await js.OrderedConsumeAsync("s", new OrderedConsumerOptions { DeliverPolicy = DeliverPolicy.New }, Ct);
        Assert.True(consumer.IsCaughtUp);

        // Nobody reads, so that the replacement is made only after the messages.
        await DeleteConsumerAsync(js);
        await js.PublishAsync("s.0", default, ct: Ct);
        await js.PublishAsync("s.0", default, ct: Ct);

        Assert.Equal(6UL, (await NextAsync(consumer)).StreamSequence);
        Assert.Equal(7UL, (await NextAsync(consumer)).StreamSequence);
    }

    [Fact]
    public async Task The_newest_of_each_subject_stay_the_newest_when_it_begins_again_among_them()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = new JetStream(connection);
        await js.CreateStreamAsync(new StreamConfig { Name = "s", Subjects = ["s.>"] }, Ct);
        string[] subjects = ["a", "b", "b", "c", "c", "b", "d", "e", "d"]; // newest: a1 c5 b6 e8 d9
        foreach (var subject in subjects)
            await js.PublishAsync("s." + subject, default, ct: Ct);
        await using var consumer = await js.OrderedConsumeAsync(
            "s", new OrderedConsumerOptions { DeliverPolicy = DeliverPolicy.LastPerSubject, Consume = Small with { MaxMessages = 1 } }, Ct);

        var seen = new List<ulong>();
        while (!consumer.IsCaughtUp)
        {
            seen.Add((await NextAsync(consumer)).StreamSequence);
            if (seen.Count == 2)
                await DeleteConsumerAsync(js);
        }

        Assert.Equal([1, 5, 6, 8, 9], seen);
        await js.PublishAsync("s.a", default, ct: Ct);
        await js.PublishAsync("s.a", default, ct: Ct);
        Assert.Equal(10UL, (await NextAsync(consumer)).StreamSequence);
        await DeleteConsumerAsync(js);
        Assert.Equal(11UL, (await NextAsync(consumer)).StreamSequence);
    }

    [Fact]
    public async Task It_is_caught_up_also_when_the_rest_was_deleted_before_it_came()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await FilledAsync(connection, 3);
        await using var consumer = await js.OrderedConsumeAsync("s", new OrderedConsumerOptions { Consume = Small with { MaxMessages = 1 } }, Ct);
        Assert.True(await consumer.WaitToReadAsync(Ct));
        await js.PurgeStreamAsync("s", ct: Ct);

        Assert.True(consumer.TryRead(out _));
        Assert.False(consumer.IsCaughtUp);
        Assert.True(await consumer.WaitToReadAsync(Ct));
        Assert.True(consumer.IsCaughtUp);
        Assert.False(consumer.TryRead(out _));
        await js.PublishAsync("s.0", default, ct: Ct);
        Assert.Equal((4UL, 0L), ((await NextAsync(consumer)).StreamSequence, consumer.RestartCount));
    }

    [Fact]
    public async Task It_begins_where_it_is_told()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await FilledAsync(connection, 10);
        var time = (await js.GetMessageAsync("s", 8, Ct))!.Timestamp;

        Assert.Equal(5UL, await FirstAsync(new OrderedConsumerOptions { DeliverPolicy = DeliverPolicy.ByStartSequence, StartSequence = 5 }));
        Assert.Equal(6UL, await FirstAsync(new OrderedConsumerOptions { DeliverPolicy = DeliverPolicy.ByStartSequence, StartSequence = 5, FilterSubject = "s.1" }));
        Assert.Equal(8UL, await FirstAsync(new OrderedConsumerOptions { DeliverPolicy = DeliverPolicy.ByStartTime, StartTime = time }));
        Assert.Equal(10UL, await FirstAsync(new OrderedConsumerOptions { DeliverPolicy = DeliverPolicy.Last }));
        Assert.Equal(9UL, await FirstAsync(new OrderedConsumerOptions { DeliverPolicy = DeliverPolicy.LastPerSubject }));

        async Task<ulong> FirstAsync(OrderedConsumerOptions options)
        {
            await using var consumer = await js.OrderedConsumeAsync("s", options with { HeadersOnly = true }, Ct);
            var message = await NextAsync(consumer);
            Assert.Equal(("4", 0), (message.Headers!["Nats-Msg-Size"], message.Payload.Length));
            return message.StreamSequence;
        }
    }

    [Fact]
    public async Task What_cannot_begin_is_an_error_at_once()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await FilledAsync(connection, 0);

        Assert.Equal(JetStreamApi.StreamNotFound, (await Assert.ThrowsAsync<JetStreamApiException>(() => js.OrderedConsumeAsync("none", ct: Ct))).ErrorCode);
        await Assert.ThrowsAsync<ArgumentException>(() => js.OrderedConsumeAsync("s", new OrderedConsumerOptions { StartSequence = 3 }, Ct));
        await Assert.ThrowsAsync<ArgumentException>(() => js.OrderedConsumeAsync("s", new OrderedConsumerOptions { DeliverPolicy = DeliverPolicy.ByStartTime }, Ct));
        await Assert.ThrowsAsync<ArgumentException>(() => js.OrderedConsumeAsync("s", new OrderedConsumerOptions { FilterSubject = "a b" }, Ct));
        Assert.Empty(await js.ListConsumerNamesAsync("s", Ct).ToListAsync(Ct));
    }

    [Fact]
    public async Task Deleting_the_stream_ends_its_reader_with_a_reason()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await FilledAsync(connection, 1);
        await using var consumer = await js.OrderedConsumeAsync("s", ct: Ct);
        await NextAsync(consumer);
        await js.DeleteStreamAsync("s", Ct);

        for (var i = 0; i < 2; i++)
            Assert.Equal(JetStreamApi.StreamNotFound, (await Assert.ThrowsAsync<JetStreamApiException>(async () => await consumer.WaitToReadAsync(Ct))).ErrorCode);
    }

    [Fact]
    public async Task Disposing_it_or_its_connection_ends_a_waiting_reader()
    {
        var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await FilledAsync(connection, 0);
        var first = await js.OrderedConsumeAsync("s", ct: Ct);
        var second = await js.OrderedConsumeAsync("s", ct: Ct);
        var (waitingFirst, waitingSecond) = (first.WaitToReadAsync(Ct).AsTask(), second.WaitToReadAsync(Ct).AsTask());

        await first.DisposeAsync();
        Assert.False(await waitingFirst);
        Assert.False(waitingSecond.IsCompleted);
        await connection.DisposeAsync();
        Assert.False(await waitingSecond);
        await second.DisposeAsync();
    }

    [Fact]
    public async Task Disposing_it_ends_a_reader_that_waits_for_the_server_to_come_back()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var connection = await ConnectAsync(server.Port);
        var js = await FilledAsync(connection, 0);
        var consumer = await js.OrderedConsumeAsync("s", ct: Ct);
        var waiting = consumer.WaitToReadAsync(Ct).AsTask();
        await server.KillAsync();
        await Eventually.TrueAsync(() => Task.FromResult(connection.State == NatsConnectionState.Reconnecting));
        Assert.False(waiting.IsCompleted);

        await consumer.DisposeAsync();
        Assert.False(await waiting);
        await server.StartAsync();
    }

    [Fact]
    public async Task A_cancelled_wait_may_be_taken_up_again()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await FilledAsync(connection, 1);
        await using var consumer = await js.OrderedConsumeAsync("s", ct: Ct);
        await NextAsync(consumer);
        using (var limit = new CancellationTokenSource(TimeSpan.FromMilliseconds(20)))
            await Assert.ThrowsAnyAsync<OperationCanceledException>(async () => await consumer.WaitToReadAsync(limit.Token));

        await DeleteConsumerAsync(js);
        await js.PublishAsync("s.0", default, ct: Ct);
        Assert.Equal(2UL, (await NextAsync(consumer)).StreamSequence);
    }

    internal static async Task<JetStreamMessage> NextAsync(OrderedConsumer consumer)
    {
        do
            if (consumer.TryRead(out var message))
                return message;
        while (await consumer.WaitToReadAsync(Ct));
        throw new InvalidOperationException("The consumer has ended.");
    }

    private static async Task<NatsConnection> ConnectAsync(int port)
    {
        var connection = new NatsConnection(new NatsOptions { Url = $"nats://127.0.0.1:{port}", RequestTimeout = TimeSpan.FromMilliseconds(500) });
        await connection.ConnectAsync(Ct);
        return connection;
    }

    private static async Task<JetStream> FilledAsync(NatsConnection connection, int messages)
    {
        var js = await JetStreamPublishTests.StreamAsync(connection);
        await using var publisher = js.CreatePublisher();
        for (var i = 0; i < messages; i++)
            await publisher.PublishAsync($"s.{i % 2}", BitConverter.GetBytes(i), headers: null, i, Ct);
        await JetStreamPublishTests.TakeAsync(publisher, messages);
        return js;
    }

    /// <summary>Deletes the consumer on the server, behind the reader's back.</summary>
    private static async Task DeleteConsumerAsync(JetStream js)
        => Assert.True(await js.DeleteConsumerAsync("s", await js.ListConsumerNamesAsync("s", Ct).SingleAsync(Ct), Ct));

    private static async Task PublishSurelyAsync(JetStream js, int number)
    {
        while (true)
        {
            try
            {
                await js.PublishAsync("s.x", BitConverter.GetBytes(number), new NatsHeaders { { "Nats-Msg-Id", number } }, Ct);
                return;
            }
            catch (NatsException e) when (e.IsTransient)
            {
                await js.Connection.WaitUntilOpenAsync(Ct);
            }
        }
    }
}
