using System.Net;
using System.Net.Sockets;
using Watchword.Nats;

namespace Watchword.Tests.Nats;

public class HandshakeTests(NatsFixture nats)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_open_connection_knows_its_server()
    {
        await using var connection = new NatsConnection(nats.TakeAccount().Options);
        var states = new List<NatsConnectionState>();
        connection.StateChanged += states.Add;
        Assert.Equal(NatsConnectionState.Closed, connection.State);

        await connection.ConnectAsync(Ct);
        await connection.ConnectAsync(Ct);
        await connection.WaitUntilOpenAsync(Ct);

        Assert.Equal([NatsConnectionState.Connecting, NatsConnectionState.Open], states);
        Assert.True(connection.Server!.JetStream);
        Assert.True(connection.Server.Headers);
        Assert.True(connection.Server.MaxPayload > 0);
        Assert.NotEqual("", connection.Server.Version);
        Assert.True(await connection.PingAsync(Ct) > TimeSpan.Zero);
    }

    [Fact]
    public async Task A_wrong_password_is_said_plainly_and_not_shown()
    {
        var options = nats.TakeAccount().Options;
        await using var connection = new NatsConnection(options with { Url = options.Url.Replace(":p", ":secret", StringComparison.Ordinal) });

        var error = await Assert.ThrowsAsync<NatsConnectException>(async () => await connection.ConnectAsync(Ct));

        Assert.Contains("Authorization Violation", error.Message, StringComparison.Ordinal);
        Assert.Contains("user 'u", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", error.ToString(), StringComparison.Ordinal);
        Assert.True(error.IsAuthentication);
        Assert.False(error.IsTransient);
        Assert.Equal(NatsConnectionState.Closed, connection.State);
    }

    [Fact]
    public async Task In_the_background_refused_credentials_reach_whoever_waits()
    {
        var options = nats.TakeAccount().Options with { ReconnectDelayMin = TimeSpan.FromMilliseconds(1) };
        await using var connection = new NatsConnection(options with { Url = $"nats://127.0.0.1:{nats.TakeAccount().Port}" });
        var waiting = connection.WaitUntilOpenAsync(Ct);
        connection.Start();
        connection.Start();

        var error = await Assert.ThrowsAsync<NatsConnectException>(async () => await waiting);

        Assert.Contains("no credentials", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_token_is_accepted()
    {
        await using var server = new NatsServer("authorization { token: \"s3cret/&\" }");
        await server.StartAsync();
        await using var connection = new NatsConnection(new NatsOptions { Url = $"nats://s3cret%2F%26@127.0.0.1:{server.Port}" });

        await connection.ConnectAsync(Ct);

        Assert.Equal(NatsConnectionState.Open, connection.State);
    }

    [Fact]
    public async Task Of_several_servers_one_that_lives_is_found()
    {
        await using var connection = new NatsConnection(new NatsOptions { Url = $"127.0.0.1:1, {nats.TakeAccount().Url}" });

        await connection.ConnectAsync(Ct);

        Assert.Equal(NatsConnectionState.Open, connection.State);
    }

    [Fact]
    public async Task Where_nothing_listens_the_error_names_the_server_and_may_be_retried()
    {
        await using var connection = new NatsConnection(new NatsOptions { Url = "127.0.0.1:1,127.0.0.1:2" });

        var error = await Assert.ThrowsAsync<NatsConnectException>(async () => await connection.ConnectAsync(Ct));

        Assert.Contains("127.0.0.1:1 cannot be reached", error.Message, StringComparison.Ordinal);
        Assert.Contains("127.0.0.1:2 cannot be reached", error.Message, StringComparison.Ordinal);
        Assert.True(error.IsTransient);
        await Assert.ThrowsAsync<NatsDisconnectedException>(async () => await connection.PublishAsync("a", ct: Ct));
    }

    [Theory]
    [InlineData("HTTP/1.1 400 Bad Request\r\n\r\n", "is this a NATS server|unknown command")]
    [InlineData("PING\r\nINFO {\r\n", "not JSON")]
    [InlineData("", "did not answer within")]
    public async Task A_peer_that_speaks_something_else_is_refused(string greeting, string expected)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        await using var connection = new NatsConnection(new NatsOptions
        {
            Url = $"nats://127.0.0.1:{port}",
            ConnectTimeout = TimeSpan.FromMilliseconds(300),
        });
        var connecting = connection.ConnectAsync(Ct);
        using var peer = await listener.AcceptTcpClientAsync(Ct);
        await peer.GetStream().WriteAsync(System.Text.Encoding.ASCII.GetBytes(greeting), Ct);

        var error = await Assert.ThrowsAsync<NatsConnectException>(async () => await connecting);
        Assert.Matches(expected, error.Message);
    }

    [Fact]
    public async Task A_subject_that_is_not_allowed_fails_its_subscription_and_request_alone()
    {
        await using var server = new NatsServer("""authorization { users: [ { user: u, password: p, permissions: { publish: ["ok.>", "$SYS.>"], subscribe: ["ok.>", "_INBOX.>"] } } ] }""");
        await server.StartAsync();
        await using var connection = new NatsConnection(new NatsOptions { Url = server.Url, User = "u", Password = "p" });
        await connection.ConnectAsync(Ct);
        await using var allowed = await connection.SubscribeAsync("ok.1", ct: Ct);
        await using var denied = await connection.SubscribeAsync("secret", ct: Ct);

        await Assert.ThrowsAsync<NatsPermissionException>(async () => await denied.ReadAsync(Ct));
        var error = await Assert.ThrowsAsync<NatsPermissionException>(async () => await connection.RequestAsync("secret", ct: Ct));
        Assert.False(error.IsTransient);
        await connection.PublishAsync("ok.1", ct: Ct);
        await allowed.ReadAsync(Ct);
        Assert.Equal(0, connection.ReconnectCount);
    }

    [Fact]
    public async Task Without_leave_to_read_its_inbox_a_request_says_so()
    {
        await using var server = new NatsServer("""authorization { users: [ { user: u, password: p, permissions: { subscribe: ["ok"] } } ] }""");
        await server.StartAsync();
        await using var connection = new NatsConnection(new NatsOptions { Url = server.Url, User = "u", Password = "p" });
        await connection.ConnectAsync(Ct);
        await connection.PingAsync(Ct);

        await Assert.ThrowsAsync<NatsPermissionException>(async () => await connection.RequestAsync("ok", ct: Ct));
    }

    [Fact]
    public void Options_say_everything_wrong_at_once_and_never_show_a_password()
    {
        var error = Assert.Throws<ArgumentException>(() => new NatsConnection(new NatsOptions
        {
            Url = "http://x",
            ConnectTimeout = TimeSpan.Zero,
            MaxPingsOut = 0,
        }));

        Assert.Contains("begins with nats://", error.Message, StringComparison.Ordinal);
        Assert.Contains("ConnectTimeout", error.Message, StringComparison.Ordinal);
        Assert.Contains("MaxPingsOut", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", new NatsOptions { Url = "nats://u:hunter2@host,other", Password = "hunter2" }.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nats://host", "host:4222", null, null, null)]
    [InlineData("host:5", "host:5", null, null, null)]
    [InlineData("nats://u:p%40%3A@host:5", "host:5", "u", "p@:", null)]
    [InlineData("nats://tok@host", "host:4222", null, null, "tok")]
    [InlineData("tls://u:p@host", "host:4222", "u", "p", null)]
    [InlineData("nats://[::1]:5", "[::1]:5", null, null, null)]
    public void Urls_are_understood(string url, string text, string? user, string? password, string? token)
    {
        var address = ServerAddress.Parse(url);

        Assert.Equal((text, user, password, token), (address.ToString(), address.Credentials?.User, address.Credentials?.Password, address.Credentials?.Token));
    }

    [Theory]
    [InlineData("")]
    [InlineData(" , ")]
    [InlineData("nats://")]
    [InlineData("nats://host/path")]
    [InlineData("nats://host:99999")]
    [InlineData("wss://host")]
    public void Urls_that_cannot_work_are_refused(string url)
        => Assert.Single(new NatsOptions { Url = url }.Validate());
}
