using System.Text;
using Watchword.Nats;

namespace Watchword.Tests.Nats;

public class PublishSubscribeTests(NatsFixture nats)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_message_arrives_with_its_headers_and_reply_subject()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        await using var subscription = await connection.SubscribeAsync("greet.*", ct: Ct);

        var headers = new NatsHeaders { { "Nats-Msg-Id", "7" }, { "Name", "Grüße: välkommen" }, { "Name", "again" } };
        await connection.PublishAsync("greet.you", "hello"u8.ToArray(), headers, "answer.here", Ct);
        var message = await subscription.ReadAsync(Ct);

        Assert.Equal("greet.you", message.Subject);
        Assert.Equal("answer.here", message.ReplyTo);
        Assert.Equal("hello", Encoding.UTF8.GetString(message.Payload.Span));
        Assert.Equal(headers.ToArray(), message.Headers!.ToArray());
        Assert.Equal(3, message.Headers!.Count);
    }

    [Fact]
    public async Task Many_threads_publish_and_each_ones_order_holds()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        await using var subscription = await connection.SubscribeAsync("t.>", ct: Ct);

        await Task.WhenAll(Enumerable.Range(0, 8).Select(t => Task.Run(
            async () =>
            {
                for (var i = 0; i < 1000; i++)
                    await connection.PublishAsync($"t.{t}", BitConverter.GetBytes(i), ct: Ct);
            },
            Ct)));

        var next = new int[8];
        for (var i = 0; i < 8000; i++)
        {
            var message = await subscription.ReadAsync(Ct);
            var thread = message.Subject[2] - '0';
            Assert.Equal(next[thread]++, BitConverter.ToInt32(message.Payload.Span));
        }

        Assert.Equal(0, subscription.Dropped);
    }

    [Fact]
    public async Task Caller_may_reuse_payload_and_headers_at_once()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        await using var subscription = await connection.SubscribeAsync("reuse", ct: Ct);
        var payload = new byte[4];
        var headers = new NatsHeaders();
        for (var i = 0; i < 500; i++)
        {
            headers.Clear();
            headers.Add("N", i);
            BitConverter.TryWriteBytes(payload, i);
            await connection.PublishAsync("reuse", payload, headers, ct: Ct);
        }

        for (var i = 0; i < 500; i++)
        {
            var message = await subscription.ReadAsync(Ct);
            Assert.Equal(i, BitConverter.ToInt32(message.Payload.Span));
            Assert.Equal($"{i}", message.Headers!["N"]);
        }
    }

    [Fact]
    public async Task Of_a_queue_group_one_member_gets_each_message()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        await using var one = await connection.SubscribeAsync("work", "group", ct: Ct);
        await using var two = await connection.SubscribeAsync("work", "group", ct: Ct);
        for (var i = 0; i < 100; i++)
            await connection.PublishAsync("work", ct: Ct);
        await connection.PingAsync(Ct);

        Assert.Equal(100, Drain(one) + Drain(two));
    }

    [Fact]
    public async Task A_disposed_subscription_gets_nothing_more_and_its_reader_ends()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var subscription = await connection.SubscribeAsync("gone", ct: Ct);
        await subscription.DisposeAsync();
        await subscription.DisposeAsync();
        await connection.PublishAsync("gone", ct: Ct);
        await connection.PingAsync(Ct);

        Assert.False(await subscription.WaitToReadAsync(Ct));
        await Assert.ThrowsAsync<NatsException>(async () => await subscription.ReadAsync(Ct));
    }

    [Fact]
    public async Task A_slow_reader_loses_the_newest_and_holds_up_nobody()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        await using var slow = await connection.SubscribeAsync("flood", capacity: 10, ct: Ct);
        await using var quick = await connection.SubscribeAsync("flood", ct: Ct);
        for (var i = 0; i < 100; i++)
            await connection.PublishAsync("flood", BitConverter.GetBytes(i), ct: Ct);
        await connection.PingAsync(Ct);

        Assert.Equal(90, slow.Dropped);
        Assert.Equal(0, BitConverter.ToInt32((await slow.ReadAsync(Ct)).Payload.Span));
        Assert.Equal(100, Drain(quick));
    }

    [Fact]
    public async Task What_is_larger_than_the_server_takes_is_refused_before_it_is_sent()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var maximum = connection.Server!.MaxPayload;
        var headers = new NatsHeaders { { "A", "b" } };

        var error = await Assert.ThrowsAsync<NatsPayloadTooLargeException>(
            async () => await connection.PublishAsync("big", new byte[maximum], headers, ct: Ct));

        Assert.False(error.IsTransient);
        Assert.Equal(maximum + headers.EncodedLength, error.Size);
        await using var subscription = await connection.SubscribeAsync("big", ct: Ct);
        await connection.PublishAsync("big", new byte[maximum], ct: Ct);
        Assert.Equal(maximum, (await subscription.ReadAsync(Ct)).Payload.Length);
        Assert.Equal(0, connection.ReconnectCount);
    }

    [Fact]
    public async Task What_was_published_before_dispose_is_sent()
    {
        var account = nats.TakeAccount();
        await using var listener = await account.ConnectAsync(Ct);
        await using var subscription = await listener.SubscribeAsync("last", ct: Ct);
        await listener.PingAsync(Ct);
        var speaker = await account.ConnectAsync(Ct);
        for (var i = 0; i < 1000; i++)
            await speaker.PublishAsync("last", new byte[1000], ct: Ct);
        await speaker.DisposeAsync();

        for (var i = 0; i < 1000; i++)
            Assert.Equal(1000, (await subscription.ReadAsync(Ct)).Payload.Length);
    }

    [Theory]
    [InlineData("")]
    [InlineData("two words")]
    [InlineData("line\r\nPUB evil 0")]
    [InlineData("a..b")]
    [InlineData(".a")]
    [InlineData("a.")]
    public async Task A_subject_that_would_break_the_protocol_is_refused(string subject)
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);

        await Assert.ThrowsAnyAsync<ArgumentException>(async () => await connection.PublishAsync(subject, ct: Ct));
        await Assert.ThrowsAnyAsync<ArgumentException>(async () => await connection.SubscribeAsync(subject, ct: Ct));
        await Assert.ThrowsAnyAsync<ArgumentException>(async () => await connection.RequestAsync(subject, ct: Ct));
        await Assert.ThrowsAnyAsync<ArgumentException>(async () => await connection.PublishAsync("fine", replyTo: subject, ct: Ct));
    }

    private static int Drain(NatsSubscription subscription)
    {
        var count = 0;
        while (subscription.TryRead(out _))
            count++;
        return count;
    }

    [Fact]
    public async Task A_subscription_ends_after_as_many_messages_as_were_asked_for()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        await using var subscription = await connection.SubscribeAsync("a", maxMessages: 3, ct: Ct);

        for (var i = 0; i < 5; i++)
            await connection.PublishAsync("a", new[] { (byte)i }, ct: Ct);

        Assert.Equal([0, 1, 2], await subscription.ReadAllAsync(Ct).Select(m => (int)m.Payload.Span[0]).ToListAsync(Ct));
    }
}
