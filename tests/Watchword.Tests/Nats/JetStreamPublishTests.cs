using Watchword.Nats;

namespace Watchword.Tests.Nats;

public class JetStreamPublishTests(NatsFixture nats)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_ack_names_stream_and_sequence_and_a_repeated_id_is_a_duplicate()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await StreamAsync(connection);
        var headers = new NatsHeaders { { "Nats-Msg-Id", "one" } };

        Assert.Equal(new PublishAck("s", 1, Duplicate: false), await js.PublishAsync("s.x", "a"u8.ToArray(), headers, Ct));
        Assert.Equal(new PublishAck("s", 1, Duplicate: true), await js.PublishAsync("s.x", "a"u8.ToArray(), headers, Ct));
        Assert.Equal(1UL, (await js.FindStreamAsync("s", Ct))!.State.Messages);
    }

    [Fact]
    public async Task A_subject_of_no_stream_is_tried_three_times_then_refused()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = new JetStream(connection);
        var start = TimeProvider.System.GetTimestamp();

        await Assert.ThrowsAsync<NatsNoRespondersException>(async () => await js.PublishAsync("no.stream", "a"u8.ToArray(), ct: Ct));

        Assert.InRange(TimeProvider.System.GetElapsedTime(start), TimeSpan.FromMilliseconds(480), TimeSpan.FromSeconds(20));
    }

    [Fact]
    public async Task Each_published_message_gives_one_result()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await StreamAsync(connection);
        await using var publisher = js.CreatePublisher(new JetStreamPublisherOptions { MaxInFlight = 16 });
        var headers = new NatsHeaders();
        for (var i = 0; i < 5000; i++)
        {
            headers.Clear();
            headers.Add("Nats-Msg-Id", i % 4000);
            await publisher.PublishAsync("s.x", BitConverter.GetBytes(i), headers, i, Ct);
            Assert.InRange(publisher.InFlight, 0, 16);
        }

        var results = await TakeAsync(publisher, 5000);
        Assert.All(results, r => Assert.Null(r.Error));
        Assert.Equal(Enumerable.Range(0, 5000).Select(i => (long)i), results.Select(r => r.Tag));
        Assert.All(results, r => Assert.Equal(r.Tag >= 4000, r.Ack.Duplicate));
        Assert.All(results, r => Assert.Equal((ulong)(r.Tag % 4000) + 1, r.Ack.Sequence));
        Assert.Same(results[0].Ack.Stream, results[4999].Ack.Stream);
        Assert.Equal(0, publisher.InFlight);
    }

    [Fact]
    public async Task A_broken_chain_refuses_everything_behind_the_break()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await StreamAsync(connection);
        await using var publisher = js.CreatePublisher();
        for (var i = 1; i <= 6; i++)
        {
            // The third expects what is not there; the fourth expects the third, and so on.
            var before = i switch { 1 => "", 3 => "99", _ => $"{i - 1}" };
            var headers = new NatsHeaders { { "Nats-Msg-Id", i } };
            if (i > 1)
                headers.Add("Nats-Expected-Last-Msg-Id", before);
            await publisher.PublishAsync("s.x", "a"u8.ToArray(), headers, i, Ct);
        }

        var results = await TakeAsync(publisher, 6);
        Assert.Equal([1UL, 2UL], results.Where(r => r.Error is null).Select(r => r.Ack.Sequence));
        var errors = results.Where(r => r.Error is not null).ToArray();
        Assert.Equal([3L, 4L, 5L, 6L], errors.Select(r => r.Tag));
        Assert.All(errors, r => Assert.Equal(10070, Assert.IsType<JetStreamApiException>(r.Error).ErrorCode));
        Assert.All(errors, r => Assert.False(r.Error!.IsTransient));
        Assert.Equal(2UL, (await js.FindStreamAsync("s", Ct))!.State.Messages);
    }

    [Fact]
    public async Task What_no_stream_takes_and_what_nobody_acks_gives_its_result_too()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await StreamAsync(connection);
        await using var deaf = await connection.SubscribeAsync("deaf", ct: Ct);
        await using var publisher = js.CreatePublisher(new JetStreamPublisherOptions { MaxInFlight = 2, AckTimeout = TimeSpan.FromMilliseconds(100) });

        await publisher.PublishAsync("deaf", default, headers: null, 1, Ct);
        await publisher.PublishAsync("nobody", default, headers: null, 2, Ct);
        await publisher.PublishAsync("deaf", default, headers: null, 3, Ct);
        await publisher.PublishAsync("s.x", default, headers: null, 4, Ct);

        var results = (await TakeAsync(publisher, 4)).OrderBy(r => r.Tag).Select(r => r.Error).ToArray();
        Assert.IsType<NatsTimeoutException>(results[0]);
        Assert.IsType<NatsNoRespondersException>(results[1]);
        Assert.IsType<NatsTimeoutException>(results[2]);
        Assert.Null(results[3]);
    }

    [Fact]
    public async Task Disposing_the_publisher_ends_its_results_after_the_last_one()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        await using var deaf = await connection.SubscribeAsync("deaf", ct: Ct);
        var publisher = new JetStream(connection).CreatePublisher(new JetStreamPublisherOptions { MaxInFlight = 1 });
        await publisher.PublishAsync("deaf", default, headers: null, 1, Ct);
        var waiting = publisher.PublishAsync("deaf", default, headers: null, 2, Ct);
        await publisher.DisposeAsync();
        await publisher.DisposeAsync();

        Assert.IsType<NatsDisconnectedException>(Assert.Single(await publisher.Results.ReadAllAsync(Ct).ToListAsync(Ct)).Error);
        await Assert.ThrowsAsync<ObjectDisposedException>(async () => await waiting);
    }

    internal static async Task<JetStream> StreamAsync(NatsConnection connection)
    {
        var js = new JetStream(connection);
        await js.CreateStreamAsync(new StreamConfig { Name = "s", Subjects = ["s.>"] }, Ct);
        return js;
    }

    internal static async Task<List<PublishResult>> TakeAsync(JetStreamPublisher publisher, int count)
    {
        var results = new List<PublishResult>();
        while (results.Count < count)
            results.Add(await publisher.Results.ReadAsync(Ct));
        Assert.False(publisher.Results.TryRead(out _));
        return results;
    }
}
