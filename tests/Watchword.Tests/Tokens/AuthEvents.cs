using System.Text.Json;
using Watchword.Nats;
using Watchword.Tests.Events.Outbox;

namespace Watchword.Tests.Tokens;

/// <summary>Reads the events of one user from the stream <c>auth-events</c>.</summary>
internal static class AuthEvents
{
    /// <summary>The user's events up to the first with subject <paramref name="last"/>, which must arrive within 30 s.</summary>
    public static async Task<List<StoredEvent>> AuthEventsOfAsync(this NatsAccount account, string userId, string last)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        await using var nats = await account.ConnectAsync(patience.Token);
        var jetStream = new JetStream(nats);
        var consumer = await jetStream.CreateConsumerAsync(
            "auth-events", new() { Name = Guid.NewGuid().ToString("N"), AckPolicy = AckPolicy.None, InactiveThreshold = TimeSpan.FromSeconds(30) }, patience.Token);
        await using var messages = await jetStream.ConsumeAsync("auth-events", consumer.Name, ct: patience.Token);
        var events = new List<StoredEvent>();
        while (events.Count == 0 || events[^1].Subject != last)
        {
            if (!messages.TryRead(out var message))
            {
                Assert.True(await messages.WaitToReadAsync(patience.Token), "the stream ended");
                continue;
            }
            var json = JsonDocument.Parse(message.Payload).RootElement;
            if (json.GetProperty("data").GetProperty("userId").GetString() == userId)
                events.Add(new(message.Subject, message.StreamSequence, message.Headers, json));
        }
        return events;
    }
}
