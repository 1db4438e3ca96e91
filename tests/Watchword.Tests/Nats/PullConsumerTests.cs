using Watchword.Nats;

namespace Watchword.Tests.Nats;

public class PullConsumerTests(NatsFixture nats)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Ten_thousand_messages_come_in_order_and_once()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await FilledAsync(connection, 10_000);
        await using var consumer = await js.ConsumeAsync("s", "c", ct: Ct);

        for (var i = 0; i < 10_000; i++)
        {
            var message = await NextAsync(consumer);
            Assert.Equal(i, BitConverter.ToInt32(message.Payload.Span));
            Assert.Equal((ulong)i + 1, message.StreamSequence);
            Assert.Equal((ulong)i + 1, message.ConsumerSequence);
            Assert.Equal(1, message.Delivered);
            if (i < 9_999)
                await message.AckAsync(Ct);
            else
                await message.AckConfirmedAsync(Ct);
        }

        var info = (await js.FindConsumerAsync("s", "c", Ct))!;
        Assert.Equal((0L, 0UL, 10_000UL, 0L), (info.AckPending, info.Pending, info.AckFloor.Stream, info.Redelivered));
    }

    [Fact]
    public async Task A_message_says_where_it_comes_from()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await FilledAsync(connection, 3);
        await js.PublishAsync("s.last", "p"u8.ToArray(), new NatsHeaders { { "A", "b" } }, Ct);
        await using var consumer = await js.ConsumeAsync("s", "c", ct: Ct);
        JetStreamMessage message;
        do
            message = await NextAsync(consumer);
        while (message.StreamSequence < 4);

        Assert.Equal(("s", "c", "s.last", 0UL), (message.Stream, message.Consumer, message.Subject, message.Pending));
        Assert.Equal("b", message.Headers!["A"]);
        Assert.InRange(message.Timestamp, DateTimeOffset.UtcNow.AddMinutes(-1), DateTimeOffset.UtcNow.AddMinutes(1));
    }

    [Theory]
    [InlineData(1, null)]
    [InlineData(7, null)]
    [InlineData(100, 2000)]
    public async Task However_small_the_window_everything_comes(int maxMessages, int? maxBytes)
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await FilledAsync(connection, 300);
        await using var consumer = await js.ConsumeAsync("s", "c", new ConsumeOptions { MaxMessages = maxMessages, MaxBytes = maxBytes }, Ct);
        for (var i = 0; i < 300; i++)
        {
            var message = await NextAsync(consumer);
            Assert.Equal(i, BitConverter.ToInt32(message.Payload.Span));
            await message.AckAsync(Ct);
        }
    }

    [Fact]
    public async Task A_reader_that_stops_is_sent_no_more_than_its_window()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await FilledAsync(connection, 500);
        await using var consumer = await js.ConsumeAsync("s", "c", new ConsumeOptions { MaxMessages = 100 }, Ct);
        await consumer.WaitToReadAsync(Ct);
        await connection.PingAsync(Ct);
        await js.PublishAsync("s.x", default, ct: Ct);

        Assert.Equal(100, (await js.FindConsumerAsync("s", "c", Ct))!.AckPending);
    }

    [Fact]
    public async Task New_messages_reach_a_waiting_reader()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await FilledAsync(connection, 0);
        await using var consumer = await js.ConsumeAsync("s", "c", new ConsumeOptions { Expires = TimeSpan.FromSeconds(1), Heartbeat = TimeSpan.FromMilliseconds(500) }, Ct);

        // Longer than a pull lasts: its end must start another.
        for (var i = 0; i < 3; i++)
        {
            var next = NextAsync(consumer);
            await Task.Delay(700, Ct);
            await js.PublishAsync("s.x", BitConverter.GetBytes(i), ct: Ct);
            var message = await next;
            Assert.Equal(i, BitConverter.ToInt32(message.Payload.Span));
            await message.AckAsync(Ct);
        }
    }

    [Fact]
    public async Task A_nak_brings_the_message_back_after_its_delay()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await FilledAsync(connection, 1);
        await using var consumer = await js.ConsumeAsync("s", "c", ct: Ct);
        var message = await NextAsync(consumer);
        await message.NakAsync(ct: Ct);
        message = await NextAsync(consumer);
        Assert.Equal(2, message.Delivered);

        var start = TimeProvider.System.GetTimestamp();
        await message.NakAsync(TimeSpan.FromMilliseconds(400), Ct);
        message = await NextAsync(consumer);

        Assert.Equal(3, message.Delivered);
        Assert.True(TimeProvider.System.GetElapsedTime(start) > TimeSpan.FromMilliseconds(350));
    }

    [Fact]
    public async Task A_terminated_message_never_comes_back()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await FilledAsync(connection, 2, new ConsumerConfig { DurableName = "c", AckWait = TimeSpan.FromMilliseconds(300) });
        await using var consumer = await js.ConsumeAsync("s", "c", ct: Ct);
        await (await NextAsync(consumer)).TerminateAsync("not an event", Ct);

        // The second one's return shows that the ack wait has passed for both.
        Assert.Equal(2UL, (await NextAsync(consumer)).StreamSequence);
        var again = await NextAsync(consumer);
        Assert.Equal((2UL, 2), (again.StreamSequence, again.Delivered));
        await again.AckConfirmedAsync(Ct);
        Assert.Equal((0L, 2UL), ((await js.FindConsumerAsync("s", "c", Ct))!.AckPending, (await js.FindConsumerAsync("s", "c", Ct))!.AckFloor.Stream));
    }

    [Fact]
    public async Task Without_an_answer_a_message_comes_again_after_the_ack_wait_but_progress_extends_it()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await FilledAsync(connection, 2, new ConsumerConfig { DurableName = "c", AckWait = TimeSpan.FromMilliseconds(500) });
        await using var consumer = await js.ConsumeAsync("s", "c", ct: Ct);
        var first = await NextAsync(consumer);
        await NextAsync(consumer);
        var again = NextAsync(consumer);
        while (!again.IsCompleted)
        {
            await first.InProgressAsync(Ct);
            await Task.WhenAny(again, Task.Delay(50, Ct));
        }

        Assert.Equal((2UL, 2), ((await again).StreamSequence, (await again).Delivered));
    }

    [Fact]
    public async Task A_message_takes_one_terminal_answer()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await FilledAsync(connection, 1);
        await using var consumer = await js.ConsumeAsync("s", "c", ct: Ct);
        var message = await NextAsync(consumer);
        await message.InProgressAsync(Ct);
        await message.AckAsync(Ct);

        await Assert.ThrowsAsync<InvalidOperationException>(async () => await message.AckAsync(Ct));
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await message.NakAsync(ct: Ct));
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await message.AckConfirmedAsync(Ct));
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await message.InProgressAsync(Ct));
    }

    [Fact]
    public async Task Deleting_the_consumer_ends_its_reader_with_a_reason()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await FilledAsync(connection, 1);
        await using var consumer = await js.ConsumeAsync("s", "c", ct: Ct);
        await (await NextAsync(consumer)).AckAsync(Ct);
        Assert.True(await js.DeleteConsumerAsync("s", "c", Ct));

        var error = await Assert.ThrowsAsync<JetStreamApiException>(async () => await consumer.WaitToReadAsync(Ct));
        Assert.Equal(JetStreamApi.ConsumerNotFound, error.ErrorCode);
        Assert.Null(await js.FindConsumerAsync("s", "c", Ct));
        Assert.False(await js.DeleteConsumerAsync("s", "c", Ct));
    }

    [Fact]
    public async Task A_consumer_that_is_not_there_is_a_clear_error()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await FilledAsync(connection, 0);

        var error = await Assert.ThrowsAsync<JetStreamApiException>(async () => await js.ConsumeAsync("s", "none", ct: Ct));

        Assert.Equal((404, JetStreamApi.ConsumerNotFound), (error.Code, error.ErrorCode));
    }

    [Fact]
    public async Task Disposing_ends_the_reader_and_leaves_the_rest_to_the_next()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await FilledAsync(connection, 10, new ConsumerConfig { DurableName = "c", AckWait = TimeSpan.FromMilliseconds(300) });
        var first = await js.ConsumeAsync("s", "c", ct: Ct);
        await (await NextAsync(first)).AckAsync(Ct);
        await first.DisposeAsync();
        await first.DisposeAsync();
        while (first.TryRead(out _))
        {
            // What had arrived may still be read, but nobody does it here.
        }

        Assert.False(await first.WaitToReadAsync(Ct));
        await using var second = await js.ConsumeAsync("s", "c", ct: Ct);
        var seen = new HashSet<ulong>();
        while (seen.Count < 9)
        {
            var message = await NextAsync(second);
            await message.AckAsync(Ct);
            seen.Add(message.StreamSequence);
        }

        Assert.DoesNotContain(1UL, seen);
    }

    [Fact]
    public async Task A_filter_and_a_start_are_kept()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await FilledAsync(connection, 10);
        var config = new ConsumerConfig
        {
            DurableName = "filtered",
            FilterSubject = "s.1",
            DeliverPolicy = DeliverPolicy.ByStartSequence,
            StartSequence = 5,
            MaxDeliver = 4,
            Backoff = [TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(2)],
            MaxAckPending = 77,
        };
        var info = await js.CreateConsumerAsync("s", config, Ct);

        Assert.Equal(("s.1", DeliverPolicy.ByStartSequence, 77, 4), (info.Config.FilterSubject, info.Config.DeliverPolicy, info.Config.MaxAckPending, info.Config.MaxDeliver));
        Assert.Equal(config.Backoff, info.Config.Backoff!);
        await using var consumer = await js.ConsumeAsync("s", "filtered", ct: Ct);
        Assert.Equal(6UL, (await NextAsync(consumer)).StreamSequence);
        Assert.Equal(8UL, (await NextAsync(consumer)).StreamSequence);
    }

    internal static async Task<JetStreamMessage> NextAsync(PullConsumer consumer)
    {
        while (await consumer.WaitToReadAsync(Ct))
            if (consumer.TryRead(out var message))
                return message;
        throw new InvalidOperationException("The consumer has ended.");
    }

    internal static async Task<JetStream> FilledAsync(NatsConnection connection, int messages, ConsumerConfig? config = null)
    {
        var js = await JetStreamPublishTests.StreamAsync(connection);
        await js.CreateConsumerAsync("s", config ?? new ConsumerConfig { DurableName = "c", MaxAckPending = 5000 }, Ct);
        await using var publisher = js.CreatePublisher();
        for (var i = 0; i < messages; i++)
            await publisher.PublishAsync($"s.{i % 2}", BitConverter.GetBytes(i), headers: null, i, Ct);
        await JetStreamPublishTests.TakeAsync(publisher, messages);
        return js;
    }
}
