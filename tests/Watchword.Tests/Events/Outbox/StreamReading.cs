using System.Text.Json;
using NATS.Client.Core;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;

namespace Watchword.Tests.Events.Outbox;

/// <summary>A message as it lies in a stream.</summary>
internal sealed record StoredEvent(string Subject, ulong Sequence, NatsHeaders? Headers, JsonElement Json)
{
    public string MessageId => Headers.Find(EventHeaders.MessageId)!;
    public string Event => Json.GetProperty("event").GetString()!;
    public string UserId => Json.GetProperty("data").GetProperty("userId").GetString()!;
    public long Version => Json.GetProperty("version").GetInt64();
}

internal static class StreamReading
{
    /// <summary>The first <paramref name="count"/> messages of a stream; fails when they do not come within 30 s.</summary>
    public static async Task<List<StoredEvent>> ReadStreamAsync(this JetStreamClient nats, string stream, int count)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        await nats.WaitUntilOpenAsync(patience.Token);
        while (await nats.FindStreamAsync(stream, patience.Token) is null)
            await Task.Delay(10, patience.Token);   // nothing announces it
        var events = new List<StoredEvent>();
        await foreach (var message in nats.TailAsync(stream, patience.Token))
        {
            events.Add(new(message.Subject, message.Sequence, message.Headers, JsonDocument.Parse(message.Payload).RootElement));
            if (events.Count == count)
                break;
        }
        return events;
    }
}
