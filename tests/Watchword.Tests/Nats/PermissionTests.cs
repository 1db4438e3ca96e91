using Watchword.Nats;

namespace Watchword.Tests.Nats;

/// <summary>What the server does not allow fails alone, and says so to the one who asked.</summary>
public sealed class PermissionTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_denied_jetstream_publish_fails_at_once_and_the_others_go_on()
    {
        await using var server = await StartAsync("""publish: { deny: ["s.closed"] }""");
        await using var connection = await ConnectAsync(server);
        var jetStream = new JetStream(connection);
        await jetStream.CreateStreamAsync(new() { Name = "S", Subjects = ["s.*"] }, Ct);
        await using var publisher = jetStream.CreatePublisher(new() { AckTimeout = TimeSpan.FromMinutes(5) });

        await publisher.PublishAsync("s.open", default, headers: null, 1, Ct);
        await publisher.PublishAsync("s.closed", default, headers: null, 2, Ct);
        await publisher.PublishAsync("s.open", default, headers: null, 3, Ct);

        var results = new Dictionary<long, NatsException?>();
        while (results.Count < 3)
            if (await publisher.Results.ReadAsync(Ct) is var result)
                results.Add(result.Tag, result.Error);
        Assert.Null(results[1]);
        Assert.Null(results[3]);
        var error = Assert.IsType<NatsPermissionException>(results[2]);
        Assert.False(error.IsTransient);
        Assert.Contains("s.closed", error.Message, StringComparison.Ordinal);
        Assert.Equal(0, connection.ReconnectCount);
    }

    [Fact]
    public async Task A_consumer_that_may_not_be_pulled_from_ends_its_reader_with_the_reason()
    {
        await using var server = await StartAsync("""publish: { deny: ["$JS.API.CONSUMER.MSG.NEXT.>"] }""");
        await using var connection = await ConnectAsync(server);
        var jetStream = new JetStream(connection);
        await jetStream.CreateStreamAsync(new() { Name = "S", Subjects = ["s.*"] }, Ct);
        await jetStream.CreateConsumerAsync("S", new() { DurableName = "C" }, Ct);
        await using var consumer = await jetStream.ConsumeAsync("S", "C", ct: Ct);

        var error = await Assert.ThrowsAsync<NatsPermissionException>(async () => await consumer.WaitToReadAsync(Ct));

        Assert.Contains("$JS.API.CONSUMER.MSG.NEXT.S.C", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Of_two_subscriptions_to_a_subject_only_the_denied_queue_group_ends()
    {
        await using var server = await StartAsync("""subscribe: { deny: ["jobs closed"] }""");
        await using var connection = await ConnectAsync(server);
        await using var open = await connection.SubscribeAsync("jobs", "open", ct: Ct);
        await using var closed = await connection.SubscribeAsync("jobs", "closed", ct: Ct);

        await Assert.ThrowsAsync<NatsPermissionException>(async () => await closed.WaitToReadAsync(Ct));

        await connection.PublishAsync("jobs", ct: Ct);
        Assert.Equal("jobs", (await open.ReadAsync(Ct)).Subject);
        Assert.Equal(0, connection.ReconnectCount);
    }

    [Fact]
    public async Task A_denied_subscription_is_not_asked_for_again_after_a_reconnect()
    {
        await using var server = await StartAsync("""subscribe: { deny: ["closed"] }""");
        var log = new LogCapture();
        await using var connection = await ConnectAsync(server, log);
        await using var denied = await connection.SubscribeAsync("closed", ct: Ct);
        await Assert.ThrowsAsync<NatsPermissionException>(async () => await denied.WaitToReadAsync(Ct));

        await server.RestartAsync();
        await Eventually.TrueAsync(() => connection.ReconnectCount == 1);
        await connection.PingAsync(Ct);

        Assert.Single(log.Of(4003)); // the server's errors
    }

    [Fact]
    public async Task With_inboxes_of_its_own_a_client_asks_pulls_and_publishes_where_it_may_subscribe_to_no_others()
    {
        await using var server = await StartAsync("""subscribe: { allow: ["_INBOX.mailer.>"] }""");
        await using (var other = await ConnectAsync(server))
            await Assert.ThrowsAsync<NatsPermissionException>(async () => await new JetStream(other).GetAccountInfoAsync(Ct));

        await using var connection = new NatsConnection(new NatsOptions { Url = server.Url, User = "u", Password = "p", InboxPrefix = "_INBOX.mailer" });
        await connection.ConnectAsync(Ct);
        var jetStream = new JetStream(connection);
        await jetStream.CreateStreamAsync(new() { Name = "S", Subjects = ["s.*"] }, Ct);
        await jetStream.CreateConsumerAsync("S", new() { DurableName = "C" }, Ct);
        await using (var publisher = jetStream.CreatePublisher())
        {
            await publisher.PublishAsync("s.a", default, headers: null, 1, Ct);
            Assert.Null((await publisher.Results.ReadAsync(Ct)).Error);
        }
        await jetStream.PublishAsync("s.b", default, ct: Ct);
        foreach (var message in await jetStream.FetchAsync("S", "C", 1, TimeSpan.FromSeconds(5), Ct))
            await message.AckAsync(Ct);
        await using var consumer = await jetStream.ConsumeAsync("S", "C", ct: Ct);
        Assert.True(await consumer.WaitToReadAsync(Ct) && consumer.TryRead(out var second) && second.Subject == "s.b");
    }

    [Theory]
    [InlineData("INBOX")]
    [InlineData("_INBOX.")]
    [InlineData("_INBOX..a")]
    [InlineData("_INBOX.*")]
    [InlineData("_INBOX.>")]
    [InlineData("_INBOX a")]
    [InlineData("")]
    public void What_is_no_prefix_of_inboxes_is_refused(string prefix) =>
        Assert.Contains("InboxPrefix", Assert.Single(new NatsOptions { InboxPrefix = prefix }.Validate()), StringComparison.Ordinal);

    private static async Task<NatsServer> StartAsync(string permissions)
    {
        var server = new NatsServer($$"""authorization { users: [ { user: u, password: p, permissions: { {{permissions}} } } ] }""");
        await server.StartAsync();
        return server;
    }

    private static async Task<NatsConnection> ConnectAsync(NatsServer server, LogCapture? log = null)
    {
        var options = new NatsOptions { Url = server.Url, User = "u", Password = "p" };
        var connection = new NatsConnection(log is null ? options : options with { LoggerFactory = log });
        await connection.ConnectAsync(Ct);
        return connection;
    }
}
