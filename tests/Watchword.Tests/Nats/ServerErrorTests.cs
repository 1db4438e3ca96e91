using System.Text;
using Watchword.Nats;

namespace Watchword.Tests.Nats;

/// <summary>What a connection makes of errors from the server, and of what is damaged on the way.</summary>
public class ServerErrorTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("Stale Connection")]
    [InlineData("Slow Consumer")]
    [InlineData("Parser Error")]
    [InlineData("User Authentication Expired")]
    public async Task After_these_the_client_connects_again(string text)
    {
        await using var server = new ScriptedServer();
        await using var connection = new NatsConnection(new NatsOptions { Url = server.Url });
        connection.Start();
        var peer = await server.WelcomeAsync();
        await connection.WaitUntilOpenAsync(Ct);
        var asked = connection.RequestAsync("a", ct: Ct);
        await peer.NextAsync("PUB");

        await peer.SendAsync($"-ERR '{text}'\r\n");
        await server.WelcomeAsync();

        var error = await Assert.ThrowsAsync<NatsDisconnectedException>(async () => await asked);
        Assert.Contains(text, error.InnerException!.Message, StringComparison.Ordinal);
        await connection.WaitUntilOpenAsync(Ct);
        Assert.Equal(1, connection.ReconnectCount);
    }

    [Theory]
    [InlineData("Permissions Violation for Publish to \"a\"")]
    [InlineData("Permissions Violation for Subscription to \"other\"")]
    [InlineData("maximum subscriptions exceeded")]
    [InlineData("something that no server has said yet")]
    public async Task These_leave_the_connection_as_it_is(string text)
    {
        await using var server = new ScriptedServer();
        await using var connection = new NatsConnection(new NatsOptions { Url = server.Url });
        connection.Start();
        await using var subscription = await connection.SubscribeAsync("mine", ct: Ct);
        var peer = await server.WelcomeAsync();
        await connection.WaitUntilOpenAsync(Ct);
        await peer.NextAsync("SUB");
        await peer.NextAsync("SUB");

        await peer.SendAsync($"-ERR '{text}'\r\n");
        await peer.DeliverAsync("mine");

        Assert.Equal("mine", (await subscription.ReadAsync(Ct)).Subject);
        Assert.Equal(0, connection.ReconnectCount);
    }

    [Fact]
    public async Task A_refused_subscription_ends_and_stays_away_after_a_reconnect()
    {
        await using var server = new ScriptedServer();
        await using var connection = new NatsConnection(new NatsOptions { Url = server.Url });
        connection.Start();
        await using var secret = await connection.SubscribeAsync("secret", ct: Ct);
        await using var mine = await connection.SubscribeAsync("mine", ct: Ct);
        var peer = await server.WelcomeAsync();
        await connection.WaitUntilOpenAsync(Ct);

        await peer.SendAsync("-ERR 'Permissions Violation for Subscription to \"secret\"'\r\n");
        await Assert.ThrowsAsync<NatsPermissionException>(async () => await secret.ReadAsync(Ct));
        await peer.DisposeAsync();
        peer = await server.WelcomeAsync();

        Assert.StartsWith("_INBOX", (await peer.NextAsync("SUB")).Subject, StringComparison.Ordinal);
        Assert.Equal("mine", (await peer.NextAsync("SUB")).Subject);
        await connection.WaitUntilOpenAsync(Ct);
        var ping = connection.PingAsync(Ct);
        Assert.Equal("PING", (await peer.NextAsync()).Verb);
        await peer.SendAsync("PONG\r\n");
        await ping;
    }

    [Theory]
    [InlineData("cut before the message")]
    [InlineData("cut in its line")]
    [InlineData("cut in its headers")]
    [InlineData("cut in its payload")]
    [InlineData("wrong length")]
    [InlineData("wrong command")]
    public async Task A_message_damaged_on_the_way_is_never_delivered_and_the_next_session_works(string damage)
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var proxy = new FrameProxy(server.Port);
        await using var connection = new NatsConnection(new NatsOptions { Url = proxy.Url });
        await connection.ConnectAsync(Ct);
        await using var subscription = await connection.SubscribeAsync("a", ct: Ct);
        var headers = new NatsHeaders { { "Key", "value" } };
        proxy.OnServerFrame = frame => frame is not { Verb: "HMSG", Connection: 1 } ? FrameAction.Pass : damage switch
        {
            "cut before the message" => FrameAction.CutAfter(0),
            "cut in its line" => FrameAction.CutAfter(4),
            "cut in its headers" => FrameAction.CutAfter(frame.Line.Length + 12),
            "cut in its payload" => FrameAction.CutAfter(frame.Bytes.Length - 4),
            "wrong length" => FrameAction.Replace(bytes => [.. bytes[..^4], .. "\r\n"u8]),
            _ => FrameAction.Replace(bytes => [(byte)'?', .. bytes[1..]]),
        };

        await connection.PublishAsync("a", "damaged"u8.ToArray(), headers, ct: Ct);
        await connection.PublishAsync("a", "and what follows it"u8.ToArray(), headers, ct: Ct);
        await proxy.SeeAsync(frame => frame is { Verb: "PONG", Connection: 2 });
        await connection.WaitUntilOpenAsync(Ct);
        await connection.PublishAsync("a", "whole"u8.ToArray(), headers, ct: Ct);

        var message = await subscription.ReadAsync(Ct);
        Assert.Equal(("whole", "value"), (Encoding.UTF8.GetString(message.Payload.Span), message.Headers!["Key"]));
        Assert.Equal(1, connection.ReconnectCount);
    }
}
