using Watchword.Nats;

namespace Watchword.Tests.Nats;

/// <summary>An ack is a server's word, not a disk's.</summary>
public class DurabilityTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_a_server_lost_after_its_ack_shows_in_the_stream_and_is_stored_when_published_again_under_its_id()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var connection = new NatsConnection(new NatsOptions { Url = server.Url });
        await connection.ConnectAsync(Ct);
        var jetStream = new JetStream(connection);
        await jetStream.CreateStreamAsync(new() { Name = "S", Subjects = ["s"] }, Ct);
        var headers = new NatsHeaders { { "Nats-Msg-Id", "1" } };
        var ack = await jetStream.PublishAsync("s", "first"u8.ToArray(), headers, Ct);

        await server.KillAsync();
        server.LoseData();
        await server.StartAsync();
        await Eventually.TrueAsync(() => connection.State == NatsConnectionState.Open && connection.ReconnectCount == 1);

        // Who keeps what it published can see the loss, and mend it: no memory of the id stands in its way.
        Assert.Null(await jetStream.GetMessageAsync("S", ack.Sequence, Ct));
        await jetStream.CreateStreamAsync(new() { Name = "S", Subjects = ["s"] }, Ct);
        Assert.False((await jetStream.PublishAsync("s", "first"u8.ToArray(), headers, Ct)).Duplicate);
        Assert.Equal("first"u8.ToArray(), (await jetStream.GetMessageAsync("S", 1, Ct))!.Payload.ToArray());
    }
}
