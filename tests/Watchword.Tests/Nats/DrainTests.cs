using Watchword.Nats;

namespace Watchword.Tests.Nats;

/// <summary>Closing in good order: nothing that arrived is left unhandled, nothing that was acked comes again.</summary>
public sealed class DrainTests(NatsFixture nats)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Readers_finish_what_they_were_given_and_may_answer_meanwhile()
    {
        var account = nats.TakeAccount();
        await using var asker = await account.ConnectAsync(Ct);
        await using var server = await account.ConnectAsync(Ct);
        var subscription = await server.SubscribeAsync("work", ct: Ct);
        await server.PingAsync(Ct);
        var proceed = new TaskCompletionSource();
        var handled = 0;
        var reading = Task.Run(
            async () =>
            {
                await foreach (var message in subscription.ReadAllAsync(Ct))
                {
                    await proceed.Task;
                    await server.PublishAsync(message.ReplyTo!, message.Payload, ct: Ct);
                    handled++;
                }
            },
            Ct);
        var requests = Enumerable.Range(0, 100).Select(i => asker.RequestAsync("work", new[] { (byte)i }, ct: Ct).AsTask()).ToArray();
        await asker.PingAsync(Ct);
        await server.PingAsync(Ct);

        var drain = server.DrainAsync(Ct);
        await asker.PingAsync(Ct);
        Assert.False(drain.IsCompleted);
        proceed.SetResult();

        Assert.True(await drain);
        await reading;
        Assert.Equal(100, handled);
        var answers = await Task.WhenAll(requests);
        Assert.Equal(Enumerable.Range(0, 100), answers.Select(a => (int)a.Payload.Span[0]));
        Assert.Equal(NatsConnectionState.Closed, server.State);
    }

    [Fact]
    public async Task What_a_pull_consumer_was_given_is_acked_and_the_rest_stays_for_the_next()
    {
        var account = nats.TakeAccount();
        await using var publisher = await account.ConnectAsync(Ct);
        var jetStream = new JetStream(publisher);
        await jetStream.CreateStreamAsync(new() { Name = "S", Subjects = ["s"] }, Ct);
        await jetStream.CreateConsumerAsync("S", new() { DurableName = "C" }, Ct);
        for (var i = 0; i < 500; i++)
            await publisher.PublishAsync("s", ct: Ct);
        await publisher.PingAsync(Ct);

        var reader = await account.ConnectAsync(Ct);
        await using var consumer = await new JetStream(reader).ConsumeAsync("S", "C", new() { MaxMessages = 100 }, Ct);
        var first = new List<ulong>();
        var begun = new TaskCompletionSource();
        var proceed = new TaskCompletionSource();
        var reading = Task.Run(
            async () =>
            {
                await foreach (var message in consumer.ReadAllAsync(Ct))
                {
                    begun.TrySetResult();
                    await proceed.Task;
                    first.Add(message.StreamSequence);
                    await message.AckAsync(Ct);
                }
            },
            Ct);
        await begun.Task.WaitAsync(Ct);
        var drain = reader.DrainAsync(Ct);
        proceed.SetResult();
        Assert.True(await drain);
        await reading;

        var info = (await jetStream.FindConsumerAsync("S", "C", Ct))!;
        Assert.InRange(first.Count, 1, 499);
        Assert.Equal(0, info.AckPending);
        Assert.Equal((ulong)(500 - first.Count), info.Pending);
        Assert.Equal(first.Select((_, i) => (ulong)i + 1), first);
    }

    [Fact]
    public async Task Acks_under_way_are_waited_for()
    {
        var account = nats.TakeAccount();
        var connection = await account.ConnectAsync(Ct);
        var jetStream = new JetStream(connection);
        await jetStream.CreateStreamAsync(new() { Name = "S", Subjects = ["s"] }, Ct);
        await using var publisher = jetStream.CreatePublisher(new() { MaxInFlight = 1000 });
        for (var i = 0; i < 1000; i++)
            await publisher.PublishAsync("s", default, headers: null, i, Ct);

        Assert.True(await connection.DrainAsync(Ct));

        var results = await publisher.Results.ReadAllAsync(Ct).ToListAsync(Ct);
        Assert.Equal(1000, results.Count(r => r.Error is null));
    }

    [Fact]
    public async Task A_reader_that_never_finishes_does_not_hold_it_up_for_ever()
    {
        var connection = new NatsConnection(nats.TakeAccount().Options with { DrainTimeout = TimeSpan.FromMilliseconds(200) });
        await connection.ConnectAsync(Ct);
        await using var subscription = await connection.SubscribeAsync("a", ct: Ct);
        await connection.PublishAsync("a", ct: Ct);

        Assert.False(await connection.DrainAsync(Ct)); // nobody reads it

        Assert.Equal(NatsConnectionState.Closed, connection.State);
    }

    [Fact]
    public async Task While_it_drains_new_subscriptions_are_refused()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        await using var subscription = await connection.SubscribeAsync("a", ct: Ct);
        await connection.PublishAsync("a", ct: Ct);
        await connection.PingAsync(Ct);

        var drain = connection.DrainAsync(Ct);
        var error = await Assert.ThrowsAsync<InvalidOperationException>(async () => await connection.SubscribeAsync("b", ct: Ct));
        Assert.True(subscription.TryRead(out _));

        Assert.Contains("draining", error.Message, StringComparison.Ordinal);
        Assert.True(await drain);
    }

    [Fact]
    public async Task One_subscription_can_be_drained_and_the_connection_goes_on()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        await using var subscription = await connection.SubscribeAsync("a", ct: Ct);
        for (var i = 0; i < 10; i++)
            await connection.PublishAsync("a", ct: Ct);

        var drain = subscription.DrainAsync(Ct);
        var read = await subscription.ReadAllAsync(Ct).CountAsync(Ct);
        await drain;

        Assert.Equal(10, read);
        await connection.PublishAsync("a", ct: Ct);
        await connection.PingAsync(Ct);
        Assert.False(subscription.TryRead(out _));
    }

    [Fact]
    public async Task A_connection_that_is_away_drains_what_it_has()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        var connection = new NatsConnection(new NatsOptions { Url = server.Url });
        await connection.ConnectAsync(Ct);
        await using var subscription = await connection.SubscribeAsync("a", ct: Ct);
        await connection.PublishAsync("a", ct: Ct);
        await connection.PingAsync(Ct);
        await server.KillAsync();
        await Eventually.TrueAsync(() => connection.State == NatsConnectionState.Reconnecting);

        var drain = connection.DrainAsync(Ct);
        Assert.Single(await subscription.ReadAllAsync(Ct).ToListAsync(Ct));

        Assert.True(await drain);
    }
}
