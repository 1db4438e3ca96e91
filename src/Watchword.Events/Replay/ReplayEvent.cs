using System.Globalization;
using NATS.Client.Core;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;

namespace Watchword.Events.Replay;

/// <summary>An event that a stream holds, or held.</summary>
/// <param name="Stream">The stream.</param>
/// <param name="Sequence">The event's sequence in the stream.</param>
/// <param name="Subject">The subject that it was published to.</param>
/// <param name="Headers">Its headers; null when it has none.</param>
/// <param name="Payload">Its body.</param>
/// <param name="Time">When it happened, by its own header; without one, when the stream stored it.</param>
/// <param name="FromOutbox">Whether it was read from the outbox, because the stream no longer holds it.</param>
public readonly record struct ReplayEvent(
    string Stream, ulong Sequence, string Subject, NatsHeaders? Headers, byte[] Payload, DateTimeOffset Time, bool FromOutbox)
{
    /// <summary>The event's own id; null when a foreign publisher gave none.</summary>
    public string? Id => Headers.Find(EventHeaders.EventId) ?? Headers.Find(EventHeaders.MessageId);

    /// <summary>The user or organization whose events are kept in order; null when it is unknown.</summary>
    public string? Key => EventKey.Of(Subject, Headers, Payload);

    /// <summary>Makes an event of a message that a stream delivered.</summary>
    public static ReplayEvent Of(Delivery message)
    {
        ArgumentNullException.ThrowIfNull(message);
        return Of(message.Stream, message.Sequence, message.Subject, message.Headers, message.Payload, message.StoredAt, fromOutbox: false);
    }

    internal static ReplayEvent Of(
        string stream, ulong sequence, string subject, NatsHeaders? headers, byte[] payload, DateTimeOffset stored, bool fromOutbox)
    {
        var own = DateTimeOffset.TryParse(headers.Find(EventHeaders.Time), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time);
        return new(stream, sequence, subject, headers, payload, own ? time : stored, fromOutbox);
    }
}
