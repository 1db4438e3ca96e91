using Watchword.Nats;

namespace Watchword.Tests.Nats;

/// <summary>What a pull consumer makes of each status, seen from the server: what it asks for next.</summary>
public class PullStatusTests
{
    private const int RefusedEvent = 4101;

    private static readonly ConsumeOptions Ten = new() { MaxMessages = 10 };

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task More_is_asked_for_when_half_is_read_and_not_before()
    {
        await using var script = await PullScript.StartAsync(Ten);
        Assert.Equal((10, 0), await script.PullAsync());
        await script.MessagesAsync(10);
        await script.ReadAsync(4);
        await script.NoPullAsync();
        await script.ReadAsync(1);

        Assert.Equal((5, 0), await script.PullAsync());
    }

    [Theory]
    [InlineData("404 No Messages")]
    [InlineData("408 Request Timeout")]
    [InlineData("409 Batch Completed")]
    public async Task The_ordinary_end_of_a_pull_gives_back_what_it_did_not_bring(string status)
    {
        await using var script = await PullScript.StartAsync(Ten);
        await script.PullAsync();
        await script.MessagesAsync(2);
        await script.StatusAsync(status, messages: 8);

        // Two wait for the reader, so eight fit.
        Assert.Equal((8, 0), await script.PullAsync());
        await script.StatusAsync(status, messages: 2);
        await script.NoPullAsync();
        await script.StatusAsync(status, messages: 3);
        Assert.Equal((5, 0), await script.PullAsync());
        Assert.Empty(script.Log.Of(RefusedEvent));
    }

    [Fact]
    public async Task A_heartbeat_asks_for_nothing_and_its_counts_are_subtracted_too()
    {
        await using var script = await PullScript.StartAsync(Ten);
        await script.PullAsync();
        await script.StatusAsync("100 Idle Heartbeat");
        await script.NoPullAsync();
        await script.StatusAsync("100 Idle Heartbeat", messages: 4);
        await script.NoPullAsync();
        await script.StatusAsync("408 Request Timeout", messages: 1);

        Assert.Equal((5, 0), await script.PullAsync());
    }

    [Fact]
    public async Task A_change_of_leader_voids_all_pulls_and_asks_anew_at_once()
    {
        await using var script = await PullScript.StartAsync(Ten);
        await script.PullAsync();
        await script.MessagesAsync(3);
        await script.StatusAsync("409 Leadership Change");

        Assert.Equal((7, 0), await script.PullAsync());
        Assert.Empty(script.Log.Of(RefusedEvent));
    }

    [Theory]
    [InlineData("409 Exceeded MaxWaiting")]
    [InlineData("409 Exceeded MaxRequestBatch of 5")]
    [InlineData("409 Message Size Exceeds MaxBytes")]
    [InlineData("409 something new")]
    [InlineData("503")]
    public async Task A_refusal_is_told_and_after_a_while_tried_again(string status)
    {
        await using var script = await PullScript.StartAsync(Ten);
        await script.PullAsync();
        var start = TimeProvider.System.GetTimestamp();
        await script.StatusAsync(status, messages: 10);
        Assert.Equal((10, 0), await script.PullAsync());
        await script.StatusAsync(status, messages: 10);
        Assert.Equal((10, 0), await script.PullAsync());

        // At least half of 100 ms, then half of 200.
        Assert.True(TimeProvider.System.GetElapsedTime(start) > TimeSpan.FromMilliseconds(140));
        Assert.Equal(2, script.Log.Of(RefusedEvent).Count);
        Assert.Contains(status.Split(' ')[0], script.Log.Of(RefusedEvent)[0].Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task After_a_refusal_reading_on_does_not_ask_again_before_its_time()
    {
        await using var script = await PullScript.StartAsync(Ten with { RetryDelay = TimeSpan.FromMinutes(5) });
        await script.PullAsync();
        await script.MessagesAsync(9);
        await script.StatusAsync("409 Exceeded MaxWaiting", messages: 1);
        await script.NoPullAsync(); // it has taken all of that
        await script.ReadAsync(9);
        await script.NoPullAsync();

        Assert.Single(script.Log.Of(RefusedEvent));
    }

    [Fact]
    public async Task While_the_connection_drains_reading_on_asks_for_nothing()
    {
        await using var script = await PullScript.StartAsync(Ten);
        await script.PullAsync();
        await script.MessagesAsync(10);
        await script.NoPullAsync();

        var drain = script.Connection.DrainAsync(Ct);
        await script.Peer.NextAsync("PING"); // its fence
        await script.ReadAsync(10);
        await script.Peer.SendAsync("PONG\r\n");

        Assert.Equal("PING", (await script.Peer.NextAsync()).Verb); // what is written is flushed, and holds no pull
        await script.Peer.SendAsync("PONG\r\n");
        Assert.True(await drain);
    }

    [Fact]
    public async Task A_server_that_shuts_down_is_pulled_from_again_after_the_reconnect()
    {
        await using var script = await PullScript.StartAsync(Ten);
        await script.PullAsync();
        await script.MessagesAsync(1);
        await script.StatusAsync("409 Server Shutdown", messages: 9);
        await script.Peer.DisposeAsync();
        await script.WelcomeAsync();

        Assert.Equal((9, 0), await script.PullAsync());
        await script.MessagesAsync(1);
        await script.ReadAsync(2);
    }

    [Theory]
    [InlineData("409 Consumer Deleted", 409)]
    [InlineData("409 Consumer is push based", 409)]
    [InlineData("400 Bad Request", 400)]
    public async Task These_end_the_consumer_after_what_was_read(string status, int code)
    {
        await using var script = await PullScript.StartAsync(Ten);
        await script.PullAsync();
        await script.MessagesAsync(1);
        await script.StatusAsync(status);

        await script.ReadAsync(1);
        var error = await Assert.ThrowsAsync<JetStreamApiException>(async () => await script.Consumer.WaitToReadAsync(Ct));
        Assert.Equal((code, false), (error.Code, error.IsTransient));
        Assert.Equal("UNSUB", (await script.Peer.NextAsync()).Verb);
    }

    [Fact]
    public async Task Three_503s_in_a_row_raise_the_question_whether_the_consumer_exists()
    {
        await using var script = await PullScript.StartAsync(Ten);
        for (var i = 0; i < 3; i++)
        {
            await script.PullAsync();
            await script.StatusAsync("503");
        }

        WireFrame question;
        do
            question = await script.Peer.NextAsync("PUB");
        while (question.Subject != "$JS.API.CONSUMER.INFO.s.c");
        await script.Peer.DeliverAsync(question.ReplyTo, """{"error":{"code":404,"err_code":10014,"description":"consumer not found"}}""");

        var error = await Assert.ThrowsAsync<JetStreamApiException>(async () => await script.Consumer.WaitToReadAsync(Ct));
        Assert.Equal((404, JetStreamApi.ConsumerNotFound), (error.Code, error.ErrorCode));
    }

    [Fact]
    public async Task Bytes_are_counted_as_messages_are()
    {
        var payload = new string('x', 400);
        await using var script = await PullScript.StartAsync(new ConsumeOptions { MaxMessages = 10, MaxBytes = 2000 });
        Assert.Equal((10, 2000), await script.PullAsync());
        await script.MessagesAsync(1, payload);
        await script.StatusAsync("408 Request Timeout", messages: 9, bytes: 1559);
        var (messages, bytes) = await script.PullAsync();
        Assert.Equal(9, messages);
        Assert.InRange(bytes, 1500, 1600); // less the payload, its subject and its reply subject

        // A pull that brought something and has no room for the next message is at its ordinary end.
        await script.MessagesAsync(1, payload);
        await script.ReadAsync(2);
        await script.NoPullAsync();
        await script.StatusAsync("409 Message Size Exceeds MaxBytes", messages: 8, bytes: bytes - (2000 - bytes));
        Assert.Equal((10, 2000), await script.PullAsync());
        Assert.Empty(script.Log.Of(RefusedEvent));
    }
}
