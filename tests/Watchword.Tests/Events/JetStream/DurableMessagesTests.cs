using System.Diagnostics;
using System.Threading.Channels;
using NATS.Client.Core;
using NATS.Client.JetStream.Models;
using Watchword.Events.JetStream;

namespace Watchword.Tests.Events.JetStream;

/// <summary>What a durable consumer delivers, over outages and until somebody deletes it.</summary>
public sealed class DurableMessagesTests : OwnServer
{
    public override async ValueTask InitializeAsync()
    {
        await base.InitializeAsync();
        await Client.CreateConsumerAsync("s", new() { DurableName = "c", AckPolicy = ConsumerConfigAckPolicy.Explicit, AckWait = TimeSpan.FromSeconds(2), MaxAckPending = 1_000 });
    }

    [Fact]
    public async Task What_is_there_can_be_taken_in_one_batch()
    {
        await Client.PublishManyAsync("s.x", 300, _ => []);
        await using var messages = await OpenAsync();
        List<Delivery> read = [];
        while (read.Count < 300 && await messages.Reader.WaitToReadAsync(Ct))
            while (messages.Reader.TryRead(out var message))
                read.Add(message);   // none waits for the ack of another

        Assert.Equal(Enumerable.Range(1, 300).Select(i => ((ulong)i, 1)), read.Select(m => (m.Sequence, m.Deliveries)));
        foreach (var message in read)
            await message.AckAsync();
        await Eventually.TrueAsync(async () => await Client.FindConsumerAsync("s", "c") is { NumPending: 0, NumAckPending: 0 });
        await Client.PublishAsync("s.x", []);
        Assert.Equal(301UL, (await messages.Reader.ReadAsync(Ct)).Sequence);
    }

    [Fact]
    public async Task A_consumer_that_is_not_there_is_an_error_at_once()
    {
        var missing = await Assert.ThrowsAnyAsync<NatsException>(() => DurableMessages.OpenAsync(Client, "s", "nobody", 10, Ct));
        Assert.False(missing.IsTransient());
    }

    [Fact]
    public async Task A_nak_brings_a_message_again_after_its_delay_and_a_sign_of_life_keeps_it()
    {
        await using var messages = await OpenAsync();
        await Client.PublishAsync("s.x", []);
        var first = await messages.Reader.ReadAsync(Ct);
        var since = Stopwatch.GetTimestamp();
        await first.NakAsync(TimeSpan.FromMilliseconds(300));
        var second = await messages.Reader.ReadAsync(Ct);

        Assert.Equal((1UL, 2), (second.Sequence, second.Deliveries));
        Assert.InRange(Stopwatch.GetElapsedTime(since).TotalSeconds, 0.25, 5);
    }

    [Fact]
    public async Task It_goes_on_within_five_seconds_after_the_server_was_killed()
    {
        await using var messages = await OpenAsync();
        await Client.PublishAsync("s.x", []);
        await (await messages.Reader.ReadAsync(Ct)).AckAsync();
        await Client.FlushAsync(TimeSpan.FromSeconds(5));

        for (var round = 0; round < 2; round++)
        {
            var opened = Client.OpenedTotal;
            await Server.RestartAsync();
            await Eventually.TrueAsync(() => Client.OpenedTotal > opened && Client.IsOpen);
            var sequence = (await Client.PublishAsync("s.x", [])).Seq;
            var since = Stopwatch.GetTimestamp();

            Delivery message;
            do
            {
                message = await messages.Reader.ReadAsync(Ct);
                await message.AckAsync();
            }
            while (message.Sequence < sequence);   // an ack that was not on the disk yet: it comes again

            Assert.Equal(sequence, message.Sequence);
            Assert.InRange(Stopwatch.GetElapsedTime(since).TotalSeconds, 0, 5);
            await Client.FlushAsync(TimeSpan.FromSeconds(5));
        }
    }

    [Fact]
    public async Task It_asks_at_once_after_a_reconnect()
    {
        await using var messages = await OpenAsync();
        var fastest = double.MaxValue;
        for (var attempt = 0; attempt < 5 && fastest > 1.5; attempt++)   // a busy machine is slow to restart it
        {
            await ReadUpToAsync((await Client.PublishAsync("s.x", [])).Seq);
            await Client.FlushAsync(TimeSpan.FromSeconds(5));
            var (opened, since) = (Client.OpenedTotal, Stopwatch.GetTimestamp());
            await Server.RestartAsync();   // and with it goes what it was asked
            await Eventually.TrueAsync(() => Client.OpenedTotal > opened && Client.IsOpen);
            await ReadUpToAsync((await Client.PublishAsync("s.x", [])).Seq);
            fastest = Math.Min(fastest, Stopwatch.GetElapsedTime(since).TotalSeconds);
        }
        Assert.InRange(fastest, 0, 1.5);   // NATS.Net by itself asks when it has heard nothing for two seconds

        async Task ReadUpToAsync(ulong sequence)
        {
            Delivery message;
            do
            {
                message = await messages.Reader.ReadAsync(Ct);
                await message.AckAsync();
            }
            while (message.Sequence < sequence);
        }
    }

    [Fact]
    public async Task A_consumer_that_was_deleted_while_nats_was_away_is_noticed()
    {
        await using var proxy = new TcpProxy(Server.Port);
        await using var client = JetStreamClient.Connect(new() { Url = $"nats://127.0.0.1:{proxy.Port}" });
        await client.WaitUntilOpenAsync(Ct);
        await using var messages = await DurableMessages.OpenAsync(client, "s", "c", 1_000, Ct);
        proxy.Cut();
        await Eventually.TrueAsync(() => !client.IsOpen);
        await Client.DeleteConsumerAsync("s", "c");
        proxy.Mend();

        var gone = await Assert.ThrowsAnyAsync<Exception>(() => messages.Reader.ReadAsync(Ct).AsTask().WaitAsync(TimeSpan.FromSeconds(30), Ct));

        var reason = Assert.IsAssignableFrom<NatsException>(gone is ChannelClosedException ? gone.InnerException : gone);
        Assert.Equal("consumer c of stream s was deleted", reason.Message);
    }

    [Fact]
    public async Task An_answer_while_nats_is_away_neither_throws_nor_waits_and_the_message_comes_again()
    {
        await using var messages = await OpenAsync();
        await Client.PublishAsync("s.x", []);
        var message = await messages.Reader.ReadAsync(Ct);
        await Server.KillAsync();
        await Eventually.TrueAsync(() => !Client.IsOpen);
        var since = Stopwatch.GetTimestamp();
        await message.AckAsync();
        await message.NakAsync();
        await message.InProgressAsync();
        Assert.InRange(Stopwatch.GetElapsedTime(since).TotalSeconds, 0, 1);

        await Server.StartAsync();

        Assert.Equal((1UL, 2), await messages.Reader.ReadAsync(Ct) is var again ? (again.Sequence, again.Deliveries) : default);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_deleted_consumer_or_stream_is_noticed_within_ten_seconds(bool stream)
    {
        await using var messages = await OpenAsync();
        await Client.PublishAsync("s.x", []);
        await (await messages.Reader.ReadAsync(Ct)).AckAsync();
        var since = Stopwatch.GetTimestamp();
        await (stream ? Client.DeleteStreamAsync("s") : Client.DeleteConsumerAsync("s", "c"));

        var gone = await Assert.ThrowsAnyAsync<Exception>(() => messages.Reader.ReadAsync(Ct).AsTask().WaitAsync(TimeSpan.FromSeconds(30), Ct));

        Assert.InRange(Stopwatch.GetElapsedTime(since).TotalSeconds, 0, 10);
        var reason = Assert.IsAssignableFrom<NatsException>(gone is ChannelClosedException ? gone.InnerException : gone);
        Assert.Contains("consumer c of stream s", reason.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Drain_gives_what_is_on_its_way_and_then_completes()
    {
        await Client.PublishManyAsync("s.x", 500, _ => []);
        await using var messages = await OpenAsync();
        var first = await messages.Reader.ReadAsync(Ct);
        messages.Drain();
        List<ulong> read = [first.Sequence];
        await first.AckAsync();
        await foreach (var message in messages.Reader.ReadAllAsync(Ct))
        {
            read.Add(message.Sequence);
            await message.AckAsync();
        }
        await messages.Reader.Completion;

        Assert.Equal(Enumerable.Range(1, read.Count).Select(i => (ulong)i), read);
        await Client.FlushAsync(TimeSpan.FromSeconds(5));
        // All that the server handed out was given on. It may send one more after a reader that has gone.
        await Eventually.TrueAsync(async () => await Client.FindConsumerAsync("s", "c") is { NumAckPending: <= 1 });
        var left = (await Client.FindConsumerAsync("s", "c"))!;
        Assert.Equal((ulong)(500 - read.Count), left.NumPending + (ulong)left.NumAckPending);
    }

    [Fact]
    public async Task Disposing_of_it_while_nats_is_away_waits_for_nobody()
    {
        var messages = await OpenAsync();
        await Server.KillAsync();
        await Eventually.TrueAsync(() => !Client.IsOpen);
        await messages.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(5), Ct);
        Assert.True(messages.Reader.Completion.IsCompleted);
    }

    private Task<DurableMessages> OpenAsync() => DurableMessages.OpenAsync(Client, "s", "c", 1_000, Ct);
}
