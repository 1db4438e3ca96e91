using System.Text.Json;
using NATS.Client.Core;
using Watchword.Events.JetStream;

namespace Watchword.Tests.Events.Outbox;

/// <summary>A message as it lies in a stream.</summary>
internal sealed record StoredEvent(string Subject, ulong Sequence, NatsHeaders? Headers, JsonElement Json)
{
    public string MessageId => Headers!["Nats-Msg-Id"]!;
    public string Event => Json.GetProperty("event").GetString()!;
    public string UserId => Json.GetProperty("data").GetProperty("userId").GetString()!;
    public long Version => Json.GetProperty("version").GetInt64();
}

internal static class StreamReading
{
    /// <summary>The first <paramref name="count"/> messages of a stream; fails when they do not come within 30 s.</summary>
    public static async Task<List<StoredEvent>> ReadStreamAsync(this NatsConnection nats, string stream, int count)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        await nats.WaitUntilOpenAsync(patience.Token);
        var jetStream = new JetStream(nats);
        while (await jetStream.FindStreamAsync(stream, patience.Token) is null)
            await Task.Delay(10, patience.Token);
        var consumer = await jetStream.CreateConsumerAsync(stream, new() { Name = Guid.NewGuid().ToString("N"), AckPolicy = AckPolicy.None, InactiveThreshold = TimeSpan.FromSeconds(30) }, patience.Token);
        await using var messages = await jetStream.ConsumeAsync(stream, consumer.Name, ct: patience.Token);
        var events = new List<StoredEvent>();
        while (events.Count < count)
        {
            if (!messages.TryRead(out var message))
            {
                if (!await messages.WaitToReadAsync(patience.Token))
                    break;
                continue;
            }
            events.Add(new(message.Subject, message.StreamSequence, message.Headers, JsonDocument.Parse(message.Payload).RootElement));
        }
        return events;
    }
}
