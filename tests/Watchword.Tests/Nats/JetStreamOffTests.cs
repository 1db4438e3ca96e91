using Watchword.Nats;

namespace Watchword.Tests.Nats;

public class JetStreamOffTests(NatsFixture nats)
{
    [Fact]
    public void A_server_without_jetstream_is_told_with_the_remedy() =>
        Assert.Contains("start nats-server with -js", new NatsNoRespondersException("$JS.API.STREAM.INFO.auth-events").Message, StringComparison.Ordinal);

    [Fact]
    public async Task Any_other_subject_without_responders_is_named()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync();
        var failure = await Assert.ThrowsAsync<NatsNoRespondersException>(async () => await connection.RequestAsync("nobody.here"));
        Assert.Equal("Nobody answers on 'nobody.here'.", failure.Message);
    }
}
