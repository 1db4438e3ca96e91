using System.Diagnostics;
using Watchword.Nats;

namespace Watchword.Tests.Nats;

public class FetchTests(NatsFixture nats)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_fetch_takes_what_is_there_and_no_more_than_asked()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await PullConsumerTests.FilledAsync(connection, 25);

        for (var i = 0; i < 2; i++)
        {
            var ten = await js.FetchAsync("s", "c", 10, TimeSpan.FromSeconds(20), Ct);
            Assert.Equal(Enumerable.Range((i * 10) + 1, 10), ten.Select(m => (int)m.StreamSequence));
            foreach (var message in ten)
                await message.AckConfirmedAsync(Ct);
        }

        Assert.Equal([21, 22, 23, 24, 25], (await js.FetchAsync("s", "c", 10, ct: Ct)).Select(m => BitConverter.ToInt32(m.Payload.Span) + 1));
        Assert.Empty(await js.FetchAsync("s", "c", 10, ct: Ct));
        Assert.Equal(5, (await js.FindConsumerAsync("s", "c", Ct))!.AckPending);
    }

    [Fact]
    public async Task A_fetch_waits_for_more_until_its_time_is_up()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await PullConsumerTests.FilledAsync(connection, 1);
        var start = Stopwatch.GetTimestamp();
        var fetch = js.FetchAsync("s", "c", 3, TimeSpan.FromMilliseconds(800), Ct);
        await js.PublishAsync("s.0", default, ct: Ct);

        Assert.Equal([1UL, 2UL], (await fetch).Select(m => m.StreamSequence));
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.FromMilliseconds(750), TimeSpan.FromSeconds(5));
        Assert.Empty(await js.FetchAsync("s", "c", 1, TimeSpan.FromMilliseconds(50), Ct));
    }

    [Fact]
    public async Task A_fetch_says_why_nothing_came()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var connection = new NatsConnection(new NatsOptions { Url = server.Url, RequestTimeout = TimeSpan.FromMilliseconds(300) });
        await connection.ConnectAsync(Ct);
        var js = await PullConsumerTests.FilledAsync(connection, 0, new ConsumerConfig { DurableName = "c", MaxWaiting = 1 });

        var error = await Assert.ThrowsAsync<JetStreamApiException>(() => js.FetchAsync("s", "none", 1, ct: Ct));
        Assert.Equal((404, JetStreamApi.ConsumerNotFound), (error.Code, error.ErrorCode));

        var waiting = js.FetchAsync("s", "c", 1, TimeSpan.FromMinutes(1), Ct);
        await Eventually.TrueAsync(async () => await js.FindConsumerAsync("s", "c", Ct) is { Waiting: 1 });
        var refused = await Assert.ThrowsAsync<NatsException>(() => js.FetchAsync("s", "c", 1, TimeSpan.FromMinutes(1), Ct));
        Assert.Contains("MaxWaiting", refused.Message, StringComparison.Ordinal);
        Assert.True(refused.IsTransient);

        await js.DeleteConsumerAsync("s", "c", Ct);
        Assert.Equal(JetStreamApi.ConsumerNotFound, (await Assert.ThrowsAsync<JetStreamApiException>(() => waiting)).ErrorCode);

        await js.CreateConsumerAsync("s", new ConsumerConfig { DurableName = "c" }, Ct);
        waiting = js.FetchAsync("s", "c", 1, TimeSpan.FromMinutes(1), Ct);
        await Eventually.TrueAsync(async () => await js.FindConsumerAsync("s", "c", Ct) is { Waiting: 1 });
        await server.KillAsync();
        await Assert.ThrowsAsync<NatsDisconnectedException>(() => waiting);
        await Assert.ThrowsAsync<NatsDisconnectedException>(() => js.FetchAsync("s", "c", 1, ct: Ct));
        await server.StartAsync();
        await connection.WaitUntilOpenAsync(Ct);
        Assert.Empty(await js.FetchAsync("s", "c", 1, ct: Ct));
    }

    [Fact]
    public async Task What_a_fetch_cannot_ask_for_is_refused()
    {
        await using var connection = new NatsConnection(new NatsOptions());
        var js = new JetStream(connection);

        await Assert.ThrowsAsync<ArgumentOutOfRangeException>("maxMessages", () => js.FetchAsync("s", "c", 0, ct: Ct));
        await Assert.ThrowsAsync<ArgumentOutOfRangeException>("expires", () => js.FetchAsync("s", "c", 1, TimeSpan.FromSeconds(-1), Ct));
        await Assert.ThrowsAsync<ArgumentException>("name", () => js.FetchAsync("a.b", "c", 1, ct: Ct));
        await Assert.ThrowsAsync<NatsDisconnectedException>(() => js.FetchAsync("s", "c", 1, ct: Ct));
    }
}
