using NATS.Client.Core;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;

namespace Watchword.Events.Erasure;

/// <summary>Erases a person from a stream: deletes each message about them, and has the server overwrite it.</summary>
public static class StreamErasure
{
    /// <summary>Learns the person's addresses and numbers.</summary>
    /// <exception cref="NatsException">NATS is unreachable.</exception>
    public static async Task LearnAsync(JetStreamClient jetStream, string stream, PersonTraces person, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(jetStream);
        ArgumentNullException.ThrowIfNull(person);
        if (await jetStream.FindStreamAsync(stream, ct) is null)
            return;
        await foreach (var message in StoredMessages.ReadToEndAsync(jetStream, stream, new(), ct))
            person.Learn(KeyOf(message), message.Payload);
    }

    /// <summary>Erases every message about the person that the stream has when its end is reached.</summary>
    /// <returns>How many; 0 when there is no such stream.</returns>
    /// <exception cref="NatsException">NATS is unreachable, or this user may not delete messages.</exception>
    public static async Task<long> EraseAsync(JetStreamClient jetStream, string stream, PersonTraces person, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(jetStream);
        ArgumentNullException.ThrowIfNull(person);
        if (await jetStream.FindStreamAsync(stream, ct) is null)
            return 0;
        List<ulong> found = [];
        await foreach (var message in StoredMessages.ReadToEndAsync(jetStream, stream, new(), ct))
            if (person.IsIn(message.Subject, KeyOf(message), message.Payload, message.Headers))
                found.Add(message.Sequence);
        foreach (var sequence in found)
            await jetStream.EraseMessageAsync(stream, sequence, ct);
        return found.Count;
    }

    // A dead letter is published to the subject of its consumer, and has its own in a header.
    private static string? KeyOf(Delivery message) =>
        EventKey.Of(message.Headers.Find("Watchword-Subject") ?? message.Subject, message.Headers, message.Payload);
}
