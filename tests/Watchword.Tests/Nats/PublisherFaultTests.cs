using Watchword.Nats;

namespace Watchword.Tests.Nats;

/// <summary>Asynchronous publishing when acks are late, lost, doubled or out of order.</summary>
public class PublisherFaultTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task No_more_are_under_way_than_allowed_and_an_ack_makes_room_for_one()
    {
        await using var server = new ScriptedServer();
        await using var connection = new NatsConnection(new NatsOptions { Url = server.Url });
        connection.Start();
        await using var publisher = new JetStream(connection).CreatePublisher(new JetStreamPublisherOptions { MaxInFlight = 2 });
        var peer = await server.WelcomeAsync();
        await connection.WaitUntilOpenAsync(Ct);
        await publisher.PublishAsync("s.x", default, headers: null, 1, Ct);
        await publisher.PublishAsync("s.x", default, headers: null, 2, Ct);
        var third = publisher.PublishAsync("s.x", default, headers: null, 3, Ct).AsTask();
        var first = await peer.NextAsync("PUB");
        await peer.NextAsync("PUB");
        Assert.False(third.IsCompleted);

        await peer.DeliverAsync(first.ReplyTo, """{"stream":"s","seq":1}""");
        await third;
        Assert.Equal("s.x", (await peer.NextAsync("PUB")).Subject);
        Assert.Equal((1L, 2), ((await publisher.Results.ReadAsync(Ct)).Tag, publisher.InFlight));
    }

    [Fact]
    public async Task All_that_wait_fail_with_the_connection_and_the_places_are_free_again()
    {
        await using var server = new ScriptedServer();
        await using var connection = new NatsConnection(new NatsOptions { Url = server.Url });
        connection.Start();
        await using var publisher = new JetStream(connection).CreatePublisher(new JetStreamPublisherOptions { MaxInFlight = 5 });
        var peer = await server.WelcomeAsync();
        await connection.WaitUntilOpenAsync(Ct);
        for (var i = 0; i < 5; i++)
            await publisher.PublishAsync("s.x", default, headers: null, i, Ct);
        var late = await peer.NextAsync("PUB");
        var waiting = publisher.PublishAsync("s.x", default, headers: null, 5, Ct).AsTask();

        peer.Leave();
        var results = new List<PublishResult>();
        while (results.Count < 5)
            results.Add(await publisher.Results.ReadAsync(Ct));
        Assert.Equal([0L, 1L, 2L, 3L, 4L], results.Select(r => r.Tag).Order());
        Assert.All(results, r => Assert.IsType<NatsDisconnectedException>(r.Error));

        // The one that waited for room either failed or was sent in the next session.
        peer = await server.WelcomeAsync();
        await Record.ExceptionAsync(() => waiting);
        await connection.WaitUntilOpenAsync(Ct);
        await peer.NextAsync("SUB");
        await peer.NextAsync("SUB");

        // An ack from before is nobody's, though its place is taken again.
        while (publisher.InFlight < 5)
            await publisher.PublishAsync("s.x", default, headers: null, 6, Ct);
        await peer.DeliverAsync(late.ReplyTo, """{"stream":"s","seq":1}""");
        var ping = connection.PingAsync(Ct);
        await peer.PongAsync();
        await ping;
        Assert.False(publisher.Results.TryRead(out _));
        Assert.Equal(5, publisher.InFlight);
    }

    [Fact]
    public async Task Acks_that_are_doubled_and_change_places_give_each_message_its_own_result()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var proxy = new FrameProxy(server.Port);
        await using var connection = new NatsConnection(new NatsOptions { Url = proxy.Url });
        await connection.ConnectAsync(Ct);
        var js = await JetStreamPublishTests.StreamAsync(connection);
        await using var publisher = js.CreatePublisher(new JetStreamPublisherOptions { MaxInFlight = 16 });
        var number = 0;
        proxy.OnServerFrame = frame => frame.Verb != "MSG" || !frame.Payload.StartsWith("{\"stream\"", StringComparison.Ordinal) ? FrameAction.Pass : (++number % 3) switch
        {
            1 => FrameAction.Hold,
            2 => FrameAction.Double,
            _ => FrameAction.Pass,
        };
        for (var i = 0; i < 300; i++)
            await publisher.PublishAsync("s.x", default, headers: null, i, Ct);

        var results = await JetStreamPublishTests.TakeAsync(publisher, 300);
        Assert.NotEqual(results.Select(r => r.Tag).Order(), results.Select(r => r.Tag));
        Assert.All(results, r => Assert.Null(r.Error));
        Assert.All(results, r => Assert.Equal((ulong)r.Tag + 1, r.Ack.Sequence));
    }

    [Fact]
    public async Task A_lost_ack_times_out_and_the_same_id_again_is_a_duplicate_that_counts_as_success()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var proxy = new FrameProxy(server.Port);
        await using var connection = new NatsConnection(new NatsOptions { Url = proxy.Url });
        await connection.ConnectAsync(Ct);
        var js = await JetStreamPublishTests.StreamAsync(connection);
        await using var publisher = js.CreatePublisher(new JetStreamPublisherOptions { AckTimeout = TimeSpan.FromMilliseconds(300) });
        var lost = 0;
        proxy.OnServerFrame = frame => frame.Verb == "MSG" && frame.Payload.Contains("\"seq\":2", StringComparison.Ordinal) && lost++ == 0 ? FrameAction.Drop : FrameAction.Pass;
        var headers = new NatsHeaders();
        var results = new List<PublishResult>();
        foreach (var id in (long[])[1, 2, 2])
        {
            headers.Clear();
            headers.Add("Nats-Msg-Id", id);
            await publisher.PublishAsync("s.x", default, headers, id, Ct);
            results.Add(await publisher.Results.ReadAsync(Ct));
        }

        Assert.Equal(new PublishResult(1, new PublishAck("s", 1, Duplicate: false), Error: null), results[0]);
        Assert.IsType<NatsTimeoutException>(results[1].Error);
        Assert.Equal(new PublishResult(2, new PublishAck("s", 2, Duplicate: true), Error: null), results[2]);
        Assert.Equal(2UL, (await js.FindStreamAsync("s", Ct))!.State.Messages);
    }

    [Fact]
    public async Task What_is_sent_and_cut_off_in_the_middle_is_never_stored_in_part()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var proxy = new FrameProxy(server.Port);
        await using var connection = new NatsConnection(new NatsOptions { Url = proxy.Url });
        await connection.ConnectAsync(Ct);
        var js = await JetStreamPublishTests.StreamAsync(connection);
        await using var publisher = js.CreatePublisher();
        proxy.OnClientFrame = frame => frame is { Verb: "PUB", Subject: "s.x", Connection: 1 } ? FrameAction.CutAfter(frame.Bytes.Length - 10) : FrameAction.Pass;
        await publisher.PublishAsync("s.x", new byte[1000], headers: null, 1, Ct);

        Assert.IsType<NatsDisconnectedException>((await publisher.Results.ReadAsync(Ct)).Error);
        await connection.WaitUntilOpenAsync(Ct);
        await publisher.PublishAsync("s.x", new byte[1000], headers: null, 2, Ct);
        Assert.Equal(1UL, (await publisher.Results.ReadAsync(Ct)).Ack.Sequence);
    }
}
