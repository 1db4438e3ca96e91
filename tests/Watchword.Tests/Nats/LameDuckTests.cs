using Watchword.Nats;

namespace Watchword.Tests.Nats;

/// <summary>A server that is about to stop says so, and its clients go before they are thrown out.</summary>
public class LameDuckTests
{
    private const int LameDuckEvent = 4004;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_client_told_so_moves_early_and_its_subscriptions_go_on()
    {
        await using var first = new ScriptedServer();
        await using var second = new ScriptedServer();
        var log = new LogCapture();
        await using var connection = new NatsConnection(new NatsOptions { Url = $"{first.Url},{second.Url}", LoggerFactory = log });
        connection.Start();
        await using var subscription = await connection.SubscribeAsync("a", ct: Ct);
        var peer = await first.WelcomeAsync();
        await connection.WaitUntilOpenAsync(Ct);

        await peer.SendAsync(ScriptedPeer.Info("\"ldm\":true"));
        var next = await second.WelcomeAsync();
        await peer.GoneAsync();
        await next.NextAsync("SUB");
        await next.NextAsync("SUB");
        await next.DeliverAsync("a");

        Assert.Equal("a", (await subscription.ReadAsync(Ct)).Subject);
        await log.LineAsync(LameDuckEvent);
        Assert.False(connection.Server!.LameDuckMode);
    }

    [Fact]
    public async Task With_nowhere_to_go_it_stays_to_the_end_and_can_tell()
    {
        await using var server = new ScriptedServer();
        var log = new LogCapture();
        await using var connection = new NatsConnection(new NatsOptions { Url = server.Url, LoggerFactory = log });
        connection.Start();
        var peer = await server.WelcomeAsync();
        await connection.WaitUntilOpenAsync(Ct);
        var told = new TaskCompletionSource<ServerInfo>();
        connection.LameDuck += info => told.TrySetResult(info);

        await peer.SendAsync(ScriptedPeer.Info("\"ldm\":true"));
        var ping = connection.PingAsync(Ct);
        await peer.PongAsync();
        await ping;

        Assert.True((await told.Task.WaitAsync(TimeSpan.FromSeconds(30), Ct)).LameDuckMode);
        Assert.True(connection.Server!.LameDuckMode);
        Assert.Single(log.Of(LameDuckEvent));
        Assert.Equal(0, connection.ReconnectCount);
    }

    [Fact]
    public async Task A_real_server_in_lame_duck_mode_is_left_while_it_still_serves()
    {
        await using var first = new NatsServer();
        await using var second = new NatsServer();
        await Task.WhenAll(first.StartAsync(), second.StartAsync());
        await using var connection = new NatsConnection(new NatsOptions { Url = $"{first.Url},{second.Url}" });
        await connection.ConnectAsync(Ct);
        var from = connection.Server!.ServerId;
        await using var subscription = await connection.SubscribeAsync("a", ct: Ct);
        var moved = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        connection.StateChanged += state =>
        {
            if (state == NatsConnectionState.Open)
                moved.TrySetResult();
        };

        first.EnterLameDuckMode();
        // It would close the connection after ten seconds.
        await moved.Task.WaitAsync(TimeSpan.FromSeconds(5), Ct);
        await connection.PublishAsync("a", ct: Ct);

        Assert.Equal("a", (await subscription.ReadAsync(Ct)).Subject);
        Assert.NotEqual(from, connection.Server.ServerId);
        Assert.False(first.HasExited);
    }
}
