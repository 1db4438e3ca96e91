using Watchword.Nats;

namespace Watchword.Tests.Nats;

/// <summary>The answers to a message, byte for byte as the server must get them.</summary>
public class AckTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("ack", "+ACK")]
    [InlineData("nak", "-NAK")]
    [InlineData("nak at once", "-NAK")]
    [InlineData("nak in 1.5 s", "-NAK {\"delay\":1500000000}")]
    [InlineData("progress", "+WPI")]
    [InlineData("terminate", "+TERM")]
    [InlineData("terminate, with a reason that 2.9 would not understand", "+TERM")]
    public async Task Each_answer_is_said_as_the_server_knows_it(string answer, string expected)
    {
        await using var script = await PullScript.StartAsync(new ConsumeOptions());
        await script.PullAsync();
        await script.MessagesAsync(1);
        var message = await PullConsumerTests.NextAsync(script.Consumer);
        await (answer switch
        {
            "ack" => message.AckAsync(Ct),
            "nak" => message.NakAsync(ct: Ct),
            "nak at once" => message.NakAsync(TimeSpan.Zero, Ct),
            "nak in 1.5 s" => message.NakAsync(TimeSpan.FromSeconds(1.5), Ct),
            "progress" => message.InProgressAsync(Ct),
            "terminate" => message.TerminateAsync(ct: Ct),
            _ => message.TerminateAsync("not an event", Ct),
        });

        var frame = await script.Peer.NextAsync("PUB");
        Assert.Equal(("$JS.ACK.s.c.1.1.1.1700000000000000000.0", "", expected), (frame.Subject, frame.ReplyTo, frame.Payload));
    }

    [Fact]
    public async Task A_server_from_2_10_4_on_is_told_why_a_message_was_terminated()
    {
        await using var script = await PullScript.StartAsync(new ConsumeOptions());
        await script.PullAsync();
        await script.Peer.SendAsync(ScriptedPeer.Info("\"version\":\"2.10.4\""));
        await script.MessagesAsync(1);
        await (await PullConsumerTests.NextAsync(script.Consumer)).TerminateAsync("not an event", Ct);

        Assert.Equal("+TERM not an event", (await script.Peer.NextAsync("PUB")).Payload);
    }

    [Fact]
    public async Task A_confirmed_ack_waits_for_its_answer_and_may_be_repeated_when_none_came()
    {
        await using var script = await PullScript.StartAsync(new ConsumeOptions());
        await script.PullAsync();
        await script.MessagesAsync(1);
        var message = await PullConsumerTests.NextAsync(script.Consumer);
        using var impatient = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var ack = message.AckConfirmedAsync(impatient.Token).AsTask();
        Assert.Equal("+ACK", (await script.Peer.NextAsync("PUB")).Payload);
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await message.NakAsync(ct: Ct));
        await impatient.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => ack);

        ack = message.AckConfirmedAsync(Ct).AsTask();
        var asked = await script.Peer.NextAsync("PUB");
        Assert.False(ack.IsCompleted);
        await script.Peer.DeliverAsync(asked.ReplyTo);
        await ack;
        await Assert.ThrowsAsync<InvalidOperationException>(async () => await message.AckAsync(Ct));
    }
}
