using System.Buffers;
using Watchword.Nats;

namespace Watchword.Tests.Nats;

public class MessageLifetimeTests(NatsFixture nats)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Messages_that_are_kept_stay_what_they_were_while_others_give_their_memory_back()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        await using var subscription = await connection.SubscribeAsync("keep", ct: Ct);
        var kept = new List<NatsMessage>();
        for (var round = 0; round < 20; round++)
        {
            for (var i = 0; i < 100; i++)
                await connection.PublishAsync("keep", Content(round, i), new NatsHeaders { { "N", (round * 100) + i } }, $"answer.{round}.{i}", Ct);
            for (var i = 0; i < 100; i++)
            {
                var message = await subscription.ReadAsync(Ct);
                Assert.True(Content(round, i).AsSpan().SequenceEqual(message.Payload.Span));
                if (i % 3 == 0)
                    kept.Add(message);
                else
                    message.Dispose();
            }
        }

        for (var k = 0; k < kept.Count; k++)
        {
            var (round, i) = (k / 34, k % 34 * 3);
            Assert.True(Content(round, i).AsSpan().SequenceEqual(kept[k].Payload.Span));
            Assert.Equal($"{(round * 100) + i}", kept[k].Headers!["N"]);
            Assert.Equal($"answer.{round}.{i}", kept[k].ReplyTo);
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(63)]
    [InlineData(64)]
    [InlineData(65)]
    [InlineData(BodyPool.Largest - 1)]
    [InlineData(BodyPool.Largest)]
    [InlineData(BodyPool.Largest + 1)]
    [InlineData(300_000)]
    public async Task A_body_of_any_size_arrives_whole_also_in_memory_used_before(int size)
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        await using var subscription = await connection.SubscribeAsync("size", ct: Ct);
        for (var round = 1; round <= 3; round++)
        {
            var content = Enumerable.Repeat((byte)round, size).ToArray();
            await connection.PublishAsync("size", content, ct: Ct);
            using var message = await subscription.ReadAsync(Ct);
            Assert.True(content.AsSpan().SequenceEqual(message.Payload.Span));
        }
    }

    [Fact]
    public async Task After_dispose_nothing_can_be_read_from_a_message_nor_from_headers_taken_before()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        await using var subscription = await connection.SubscribeAsync("end", ct: Ct);
        await connection.PublishAsync("end", "payload"u8.ToArray(), new NatsHeaders { { "A", "b" } }, "answer", Ct);
        var message = await subscription.ReadAsync(Ct);
        var headers = message.Headers!;
        message.Dispose();
        message.Dispose();

        Assert.Throws<ObjectDisposedException>(() => message.Payload);
        Assert.Throws<ObjectDisposedException>(() => message.Headers);
        Assert.Throws<ObjectDisposedException>(() => message.ReplyTo);
        Assert.Throws<ObjectDisposedException>(() => headers["A"]);
        Assert.Equal("end", message.Subject);
    }

    [Fact]
    public async Task An_ack_keeps_the_content_and_after_dispose_no_answer_is_sent()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await PullConsumerTests.FilledAsync(connection, 2);
        await using var consumer = await js.ConsumeAsync("s", "c", ct: Ct);
        var acked = await PullConsumerTests.NextAsync(consumer);
        await acked.AckAsync(Ct);
        Assert.Equal(0, BitConverter.ToInt32(acked.Payload.Span));
        acked.Dispose();
        Assert.Throws<ObjectDisposedException>(() => acked.Payload);

        var unanswered = await PullConsumerTests.NextAsync(consumer);
        unanswered.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await unanswered.AckAsync(Ct));
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await unanswered.NakAsync(ct: Ct));
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await unanswered.TerminateAsync(ct: Ct));
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await unanswered.InProgressAsync(Ct));
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await unanswered.AckConfirmedAsync(Ct));
        Assert.Equal((2UL, 1), (unanswered.StreamSequence, unanswered.Delivered));

        await connection.PingAsync(Ct);
        await Eventually.TrueAsync(async () => (await js.FindConsumerAsync("s", "c", Ct))!.AckFloor.Stream == 1);
        Assert.Equal(1, (await js.FindConsumerAsync("s", "c", Ct))!.AckPending);
    }

    [Fact]
    public async Task However_many_dispose_at_once_the_memory_goes_back_once()
    {
        for (var round = 0; round < 200; round++)
        {
            var body = new Box(1000);
            await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(() => body.Value.Dispose(), Ct)));

            // Given back twice, it would be handed out twice.
            var rented = Enumerable.Range(0, 50).Select(_ => BodyPool.Rent(1000)).ToList();
            Assert.Equal(rented.Count, rented.Distinct(ReferenceEqualityComparer.Instance).Count());
            rented.ForEach(BodyPool.Return);
        }
    }

    [Fact]
    public void Memory_of_an_answer_under_way_is_not_given_to_another_message()
    {
        var body = new Box(900);
        var reply = body.Value.BeginReadReplyTo();
        body.Value.Dispose();
        for (var i = 0; i < 100; i++)
            BodyPool.Rent(900).AsSpan().Fill(0xFF);

        Assert.True(reply.SequenceEqual("reply"u8));
        body.Value.EndRead();
        Assert.Throws<ObjectDisposedException>(() => body.Value.BeginReadReplyTo().Length);
    }

    [Fact]
    public void What_lies_unused_is_bounded()
    {
        for (var i = 0; i < 2 * BodyPool.MostRetained / BodyPool.Largest; i++)
            BodyPool.Return(new byte[BodyPool.Largest]);

        Assert.InRange(BodyPool.Retained, 1, BodyPool.MostRetained);
        var all = Enumerable.Range(0, BodyPool.MostRetained / BodyPool.Largest).Select(_ => BodyPool.Rent(BodyPool.Largest)).ToList();
        Assert.All(all, a => Assert.Equal(BodyPool.Largest, a.Length));
    }

    private static byte[] Content(int round, int i) => [.. Enumerable.Repeat((byte)(round + i), 1 + (i * 7))];

    /// <summary>A body is a field of its message, and never copied.</summary>
    private sealed class Box(int size)
    {
        // From the first return on there is a pool.
        static Box() => BodyPool.Return(BodyPool.Rent(64));

        public MessageBody Value = new(new Frame { ReplyTo = "reply"u8, Payload = new ReadOnlySequence<byte>(new byte[size]) });
    }
}
