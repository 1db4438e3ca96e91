using Watchword.Nats;

namespace Watchword.Tests.Nats;

public class SlowConsumerTests
{
    private const int SlowConsumerEvent = 4005;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_lost_message_is_counted_and_each_episode_is_told_once()
    {
        await using var server = new ScriptedServer();
        var log = new LogCapture();
        await using var connection = new NatsConnection(new NatsOptions { Url = server.Url, LoggerFactory = log });
        connection.Start();
        await using var slow = await connection.SubscribeAsync("flood", capacity: 10, ct: Ct);
        var peer = await server.WelcomeAsync();
        await connection.WaitUntilOpenAsync(Ct);
        await peer.NextAsync("SUB");
        await peer.NextAsync("SUB");

        await FloodAsync(100);
        Assert.Equal((90, 1), (slow.Dropped, log.Of(SlowConsumerEvent).Count));

        // One place that came free is not the end of the episode.
        await slow.ReadAsync(Ct);
        await FloodAsync(20);
        Assert.Equal((109, 1), (slow.Dropped, log.Of(SlowConsumerEvent).Count));

        // The reader catches up: the next loss is another episode.
        while (slow.TryRead(out _))
        {
            // All that is there.
        }

        await FloodAsync(11);
        Assert.Equal((110, 2), (slow.Dropped, log.Of(SlowConsumerEvent).Count));
        Assert.Contains("110 messages dropped so far", log.Of(SlowConsumerEvent)[1].Text, StringComparison.Ordinal);

        async Task FloodAsync(int count)
        {
            for (var i = 0; i < count; i++)
                await peer.DeliverAsync("flood");
            var ping = connection.PingAsync(Ct);
            await peer.PongAsync();
            await ping;
        }
    }
}
