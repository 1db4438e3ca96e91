using System.Globalization;
using System.Text;
using System.Text.Json;
using Watchword.Nats;

namespace Watchword.Tests.Nats;

/// <summary>One durable consumer, read by us and by the official JavaScript client in turn.</summary>
public class InteropConsumerTests(NatsFixture nats)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_consumer_that_we_began_is_continued_by_the_official_client_and_by_us_again()
    {
        var account = nats.TakeAccount();
        await using var connection = await account.ConnectAsync(Ct);
        var js = await FilledAsync(connection);
        await js.CreateConsumerAsync("s", new ConsumerConfig { DurableName = "d" }, Ct);

        var seen = await ReadAsync(js, 20);
        seen.AddRange(await ReadInNodeAsync(account, create: false, 20));
        seen.AddRange(await ReadAsync(js, 20));

        await AssertAllAsync(js, seen);
    }

    [Fact]
    public async Task A_consumer_that_the_official_client_began_is_continued_by_us_and_by_it_again()
    {
        var account = nats.TakeAccount();
        await using var connection = await account.ConnectAsync(Ct);
        var js = await FilledAsync(connection);

        var seen = await ReadInNodeAsync(account, create: true, 20);
        seen.AddRange(await ReadAsync(js, 20));
        seen.AddRange(await ReadInNodeAsync(account, create: false, 20));

        await AssertAllAsync(js, seen);
    }

    /// <summary>Sixty messages, which the publisher of the other side would not tell from its own.</summary>
    private static async Task<JetStream> FilledAsync(NatsConnection connection)
    {
        var js = await JetStreamPublishTests.StreamAsync(connection);
        for (var i = 1; i <= 60; i++)
            await js.PublishAsync("s.x", Encoding.ASCII.GetBytes(i.ToString(CultureInfo.InvariantCulture)), ct: Ct);
        return js;
    }

    private static async Task<List<string>> ReadAsync(JetStream js, int count)
    {
        var seen = new List<string>();
        await using var consumer = await js.ConsumeAsync("s", "d", ct: Ct);
        while (seen.Count < count)
        {
            var message = await PullConsumerTests.NextAsync(consumer);
            await message.AckConfirmedAsync(Ct);
            seen.Add(Encoding.UTF8.GetString(message.Payload.Span));
        }

        // What was fetched ahead goes back at once, rather than after the ack wait.
        await consumer.DisposeAsync();
        while (consumer.TryRead(out var ahead))
            await ahead.NakAsync(ct: Ct);
        await js.Connection.PingAsync(Ct);
        return seen;
    }

    private static async Task<List<string>> ReadInNodeAsync(NatsAccount account, bool create, int count)
    {
        var input = JsonSerializer.Serialize(new { nats = account.Url, stream = "s", durable = "d", create, count });
        using var seen = JsonDocument.Parse(await Node.RunAsync("durable.mjs", input));
        return [.. seen.RootElement.EnumerateArray().Select(m => m.GetProperty("data").GetString()!)];
    }

    /// <summary>Each message was acked once, by one side or the other, and the consumer has nothing left.</summary>
    private static async Task AssertAllAsync(JetStream js, List<string> seen)
    {
        Assert.Equal(60, seen.Count);
        Assert.Equal(Enumerable.Range(1, 60), seen.Select(s => int.Parse(s, CultureInfo.InvariantCulture)).Order());
        await Eventually.TrueAsync(async () => await js.FindConsumerAsync("s", "d", Ct) is { AckPending: 0, Pending: 0, AckFloor.Stream: 60 });
    }
}
