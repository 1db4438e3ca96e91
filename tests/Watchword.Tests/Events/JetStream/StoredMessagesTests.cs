using System.Text;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;

namespace Watchword.Tests.Events.JetStream;

/// <summary>Reading a stream to its end: in order, without a gap and without a repetition.</summary>
public class StoredMessagesTests(NatsFixture nats)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task It_gives_all_in_order()
    {
        const int Count = 12_000;   // more than two batches
        await using var client = await FilledAsync(Count);

        var read = await client.ReadAllAsync("s");

        Assert.Equal(Enumerable.Range(1, Count).Select(i => ((ulong)i, $"{i}")), read.Select(m => (m.Sequence, Encoding.UTF8.GetString(m.Payload))));
        Assert.All(read, m => Assert.Equal(("s", "s.x", 1), (m.Stream, m.Subject, m.Deliveries)));
        Assert.Equal(0, (await client.FindStreamAsync("s"))!.State.ConsumerCount);   // its own consumer goes with it
    }

    [Theory]
    [InlineData(1UL, "1 2 3 4 5")]
    [InlineData(0UL, "1 2 3 4 5")]
    [InlineData(4UL, "4 5")]
    [InlineData(5UL, "5")]
    [InlineData(6UL, "")]
    [InlineData(99UL, "")]
    public async Task It_begins_at_a_sequence(ulong sequence, string expected)
    {
        await using var client = await FilledAsync(5);
        Assert.Equal(expected, await SequencesAsync(client, new() { Sequence = sequence }));
    }

    [Fact]
    public async Task It_begins_at_a_time()
    {
        await using var client = await FilledAsync(2);
        var between = DateTimeOffset.UtcNow;
        await client.PublishManyAsync("s.x", 3, _ => []);

        Assert.Equal("3 4 5", await SequencesAsync(client, new() { StoredSince = between }));
        Assert.Equal("", await SequencesAsync(client, new() { StoredSince = DateTimeOffset.UtcNow.AddMinutes(1) }));
    }

    [Fact]
    public async Task It_keeps_to_a_subject_and_to_headers()
    {
        await using var client = await FilledAsync(3);
        await client.PublishAsync("s.y", "content"u8.ToArray(), new() { ["A"] = "ü" });
        await client.PublishAsync("s.x", [1]);

        var read = Assert.Single(await StoredMessages.ReadToEndAsync(client, "s", new() { Subject = "s.y", HeadersOnly = true }, Ct).ToListAsync(Ct));

        Assert.Equal((4UL, "ü", 0), (read.Sequence, read.Headers.Find("A"), read.Payload.Length));
        Assert.Equal("", await SequencesAsync(client, new() { Subject = "s.z" }));
    }

    [Fact]
    public async Task It_passes_over_what_was_deleted_and_ends_in_an_empty_stream()
    {
        await using var client = await FilledAsync(0);
        Assert.Equal("", await SequencesAsync(client, new()));
        await client.PublishManyAsync("s.x", 9, _ => []);
        foreach (var sequence in (ulong[])[1, 4, 5, 9])
            await client.DeleteMessageAsync("s", sequence);

        Assert.Equal("2 3 6 7 8", await SequencesAsync(client, new()));
        Assert.Equal("6 7 8", await SequencesAsync(client, new() { Sequence = 4 }));
        Assert.Null(await client.GetMessageAsync("s", 5));
        Assert.Equal(6UL, (await client.GetMessageAsync("s", 6))!.Sequence);
        await client.PurgeStreamAsync("s");
        Assert.Equal("", await SequencesAsync(client, new()));
    }

    [Fact]
    public async Task A_server_that_is_killed_in_the_middle_costs_no_message_and_repeats_none()
    {
        const int Count = 5_000;
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var client = JetStreamClient.Connect(new() { Url = server.Url });
        await client.WaitUntilOpenAsync(Ct);
        await client.CreateStreamAsync(new() { Name = "s", Subjects = ["s.*"] });
        await client.PublishManyAsync("s.x", Count, i => Encoding.UTF8.GetBytes($"{i}"));
        var read = 0UL;

        await foreach (var message in StoredMessages.ReadToEndAsync(client, "s", new() { Batch = 500 }, Ct))
        {
            Assert.Equal(++read, message.Sequence);
            if (read is not (700 or 2_500))   // within a batch, and at the end of one
                continue;
            var opened = client.OpenedTotal;
            await server.RestartAsync();
            await Eventually.TrueAsync(() => client.OpenedTotal > opened && client.IsOpen);
        }

        Assert.Equal((ulong)Count, read);
    }

    [Fact]
    public async Task A_server_that_stays_away_ends_it_with_an_error()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var client = JetStreamClient.Connect(new() { Url = server.Url });
        await client.WaitUntilOpenAsync(Ct);
        await client.CreateStreamAsync(new() { Name = "s", Subjects = ["s.*"] });
        await client.PublishManyAsync("s.x", 1_000, _ => []);
        var read = 0UL;

        await Assert.ThrowsAsync<NatsAwayException>(async () =>
        {
            await foreach (var message in StoredMessages.ReadToEndAsync(client, "s", new() { Batch = 100 }, Ct))
            {
                Assert.Equal(++read, message.Sequence);
                if (read == 50)
                    await server.KillAsync();
            }
        }).WaitAsync(TimeSpan.FromSeconds(20), Ct);

        Assert.InRange(read, 50UL, 999UL);
    }

    private async Task<JetStreamClient> FilledAsync(int messages)
    {
        var client = await nats.TakeAccount().ConnectAsync(Ct);
        await client.CreateStreamAsync(new() { Name = "s", Subjects = ["s.*"] });
        await client.PublishManyAsync("s.x", messages, i => Encoding.UTF8.GetBytes($"{i}"));
        return client;
    }

    private static async Task<string> SequencesAsync(JetStreamClient client, ReadFrom range) =>
        string.Join(' ', await StoredMessages.ReadToEndAsync(client, "s", range, Ct).Select(m => m.Sequence).ToListAsync(Ct));
}
