using Watchword.Nats;

namespace Watchword.Tests.Nats;

/// <summary>How much may go out, and how much may come in.</summary>
public class LimitTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Headers_and_payload_together_are_held_against_the_servers_bound_as_it_stands_now()
    {
        await using var server = new ScriptedServer();
        await using var connection = new NatsConnection(new NatsOptions { Url = server.Url });
        connection.Start();
        var peer = await server.WelcomeAsync("\"max_payload\":30");
        await connection.WaitUntilOpenAsync(Ct);
        var headers = new NatsHeaders { { "A", "b" } };

        await connection.PublishAsync("a", new byte[30 - headers.EncodedLength], headers, ct: Ct);
        var error = await Assert.ThrowsAsync<NatsPayloadTooLargeException>(
            async () => await connection.PublishAsync("a", new byte[31 - headers.EncodedLength], headers, ct: Ct));
        Assert.Equal((31, 30), (error.Size, error.Maximum));
        await Assert.ThrowsAsync<NatsPayloadTooLargeException>(async () => await connection.RequestAsync("a", new byte[31], ct: Ct));
        await using var publisher = new JetStream(connection).CreatePublisher();
        await Assert.ThrowsAsync<NatsPayloadTooLargeException>(async () => await publisher.PublishAsync("a", new byte[31], headers: null, 1, Ct));
        Assert.Equal(0, publisher.InFlight);

        // The operator raises it, and the server tells.
        await peer.SendAsync(ScriptedPeer.Info("\"max_payload\":31"));
        await peer.NextAsync("HPUB");
        var ping = connection.PingAsync(Ct);
        await peer.PongAsync();
        await ping;
        await connection.PublishAsync("a", new byte[31], ct: Ct);
        Assert.Equal("PUB a 31", (await peer.NextAsync("PUB")).Line);
    }

    [Theory]
    [InlineData("MSG a 2 2049\r\n")]
    [InlineData("HMSG a 2 12 2049\r\n")]
    [InlineData("HMSG a 2 99999999999 99999999999\r\n")]
    public async Task A_message_above_the_bound_for_what_comes_in_is_not_even_waited_for(string line)
    {
        await using var server = new ScriptedServer();
        var log = new LogCapture();
        await using var connection = new NatsConnection(new NatsOptions { Url = server.Url, MaxInboundPayload = 2048, LoggerFactory = log });
        connection.Start();
        await using var subscription = await connection.SubscribeAsync("a", ct: Ct);
        var peer = await server.WelcomeAsync();
        await peer.NextAsync("SUB");
        await peer.NextAsync("SUB");
        await peer.DeliverAsync("a", new string('x', 2048));
        Assert.Equal(2048, (await subscription.ReadAsync(Ct)).Payload.Length);

        await peer.SendAsync(line);
        await peer.GoneAsync();

        await server.WelcomeAsync();
        Assert.Contains("above its bound of 2048", (await log.LineAsync(4001)).Text, StringComparison.Ordinal);
    }
}
