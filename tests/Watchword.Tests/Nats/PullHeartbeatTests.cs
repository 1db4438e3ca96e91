using Watchword.Nats;

namespace Watchword.Tests.Nats;

/// <summary>Silence: when it means something, and what follows.</summary>
public class PullHeartbeatTests(NatsFixture nats)
{
    private const int MissedEvent = 4100;
    private const int RefusedEvent = 4101;

    private static readonly ConsumeOptions Brisk = new() { MaxMessages = 10, Expires = TimeSpan.FromMinutes(5), Heartbeat = TimeSpan.FromMilliseconds(500) };

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Twice_a_heartbeat_without_a_sign_is_told_and_pulled_again()
    {
        await using var script = await PullScript.StartAsync(Brisk);
        await script.PullAsync();
        var start = TimeProvider.System.GetTimestamp();
        Assert.Equal((10, 0), await script.PullAsync());

        Assert.InRange(TimeProvider.System.GetElapsedTime(start), TimeSpan.FromMilliseconds(900), TimeSpan.FromSeconds(20));
        Assert.Single(script.Log.Of(MissedEvent));
    }

    [Theory]
    [InlineData("heartbeats")]
    [InlineData("messages")]
    public async Task Any_message_is_a_sign_of_life(string sign)
    {
        await using var script = await PullScript.StartAsync(Brisk with { MaxMessages = 100 });
        await script.PullAsync();
        for (var i = 0; i < 10; i++)
        {
            await Task.Delay(200, Ct); // in all twice as long as may be silent
            if (sign == "heartbeats")
                await script.StatusAsync("100 Idle Heartbeat");
            else
                await script.MessagesAsync(1);
        }

        Assert.Empty(script.Log.Of(MissedEvent));
        await script.Log.LineAsync(MissedEvent);
    }

    [Fact]
    public async Task Silence_means_nothing_while_the_connection_is_away()
    {
        await using var script = await PullScript.StartAsync(Brisk);
        await script.PullAsync();
        await script.Peer.DisposeAsync();
        await Task.Delay(TimeSpan.FromSeconds(1.5), Ct); // half as long again as may be silent
        await script.WelcomeAsync();
        await script.PullAsync();

        Assert.Empty(script.Log.Of(MissedEvent));
        await script.Log.LineAsync(MissedEvent); // counted from here on
    }

    [Fact]
    public async Task Nothing_is_missed_when_nothing_is_asked_for()
    {
        await using var script = await PullScript.StartAsync(Brisk);
        await script.PullAsync();
        await script.MessagesAsync(10);
        await Task.Delay(TimeSpan.FromSeconds(1.5), Ct);

        Assert.Empty(script.Log.Of(MissedEvent));
        await script.NoPullAsync();
    }

    [Fact]
    public async Task A_message_larger_than_a_pull_may_bring_is_told_and_flows_once_there_is_room_for_it()
    {
        var log = new LogCapture();
        var account = nats.TakeAccount();
        await using var connection = new NatsConnection(account.Options with { LoggerFactory = log });
        await connection.ConnectAsync(Ct);
        var js = await PullConsumerTests.FilledAsync(connection, 0);
        await js.PublishAsync("s.x", new byte[5000], ct: Ct);
        await using (var small = await js.ConsumeAsync("s", "c", new ConsumeOptions { MaxBytes = 2000 }, Ct))
        {
            Assert.Contains("409", (await log.LineAsync(RefusedEvent)).Text, StringComparison.Ordinal);
            Assert.False(small.TryRead(out _));
        }

        await using var large = await js.ConsumeAsync("s", "c", new ConsumeOptions { MaxBytes = 10_000 }, Ct);
        Assert.Equal(5000, (await PullConsumerTests.NextAsync(large)).Payload.Length);
    }
}
