using System.Text.Json;
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
        var events = new List<StoredEvent>();
        await foreach (var message in nats.TailAsync("auth-events", patience.Token))
        {
            var json = JsonDocument.Parse(message.Payload).RootElement;
            if (!json.GetProperty("data").TryGetProperty("userId", out var who) || who.GetString() != userId)
                continue;
            events.Add(new(message.Subject, message.Sequence, message.Headers, json));
            if (message.Subject == last)
                break;
        }
        return events;
    }
}
