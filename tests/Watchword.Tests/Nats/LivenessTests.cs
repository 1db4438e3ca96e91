using Watchword.Nats;

namespace Watchword.Tests.Nats;

public class LivenessTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_server_whose_PONGs_do_not_come_is_left_after_the_allowed_number_of_PINGs()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var proxy = new FrameProxy(server.Port);
        await using var connection = new NatsConnection(new NatsOptions
        {
            Url = proxy.Url,
            PingInterval = TimeSpan.FromMilliseconds(200),
            MaxPingsOut = 3,
        });
        proxy.OnServerFrame = frame => frame is { Verb: "PONG", Connection: 1, Nth: > 1 } ? FrameAction.Drop : FrameAction.Pass;
        await connection.ConnectAsync(Ct);
        await proxy.SeeAsync(f => f is { Verb: "PING", FromServer: false, Connection: 2 });
        await connection.WaitUntilOpenAsync(Ct);

        // One with CONNECT, and three without an answer.
        Assert.Equal(4, proxy.Seen.Count(f => f is { Verb: "PING", FromServer: false, Connection: 1 }));
        Assert.Equal(1, connection.ReconnectCount);
    }

    [Fact]
    public async Task PONGs_answer_the_PINGs_in_their_order_and_those_that_wait_fail_with_the_connection()
    {
        await using var server = new ScriptedServer();
        await using var connection = new NatsConnection(new NatsOptions { Url = server.Url });
        connection.Start();
        var peer = await server.WelcomeAsync();
        await connection.WaitUntilOpenAsync(Ct);
        var pings = Enumerable.Range(0, 4).Select(_ => connection.PingAsync(Ct).AsTask()).ToArray();
        for (var i = 0; i < 4; i++)
            await peer.NextAsync("PING");

        await peer.SendAsync("PONG\r\n");
        await pings[0];
        await peer.SendAsync("PONG\r\n");
        await pings[1];
        Assert.False(pings[2].IsCompleted);
        peer.Leave();

        await Assert.ThrowsAsync<NatsDisconnectedException>(() => pings[2]);
        await Assert.ThrowsAsync<NatsDisconnectedException>(() => pings[3]);
    }

    [Fact]
    public async Task PONGs_that_nobody_asked_for_change_nothing()
    {
        await using var server = new ScriptedServer();
        await using var connection = new NatsConnection(new NatsOptions { Url = server.Url });
        connection.Start();
        var peer = await server.WelcomeAsync();
        await connection.WaitUntilOpenAsync(Ct);
        await peer.SendAsync("PONG\r\nPONG\r\nPING\r\n");
        await peer.NextAsync("PONG");

        var ping = connection.PingAsync(Ct).AsTask();
        await peer.NextAsync("PING");
        Assert.False(ping.IsCompleted);
        await peer.SendAsync("PONG\r\n");
        await ping;
        Assert.Equal(0, connection.ReconnectCount);
    }
}
