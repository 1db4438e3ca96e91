using System.Globalization;
using Watchword.Events.Contracts;
using Watchword.Nats;

namespace Watchword.Events.Replay;

/// <summary>An event as it lies in a stream, or lay there. Valid until the next one is read.</summary>
/// <param name="Stream">The stream.</param>
/// <param name="Sequence">Its place there.</param>
/// <param name="Subject">Where it was published.</param>
/// <param name="Headers">Its headers; null when it has none.</param>
/// <param name="Payload">Its body.</param>
/// <param name="Time">When it happened: its own time, else the stream's.</param>
/// <param name="FromOutbox">The stream has it no more.</param>
public readonly record struct ReplayEvent(
    string Stream, ulong Sequence, string Subject, NatsHeaders? Headers, ReadOnlyMemory<byte> Payload, DateTimeOffset Time, bool FromOutbox)
{
    /// <summary>The event's own id; null when a foreign publisher gave none.</summary>
    public string? Id => Headers?[EventHeaders.EventId] ?? Headers?[EventHeaders.MessageId];

    /// <summary>The user or organization that its order is kept within; null when nothing tells.</summary>
    public string? Key => EventKey.Of(Subject, Headers, Payload.Span);

    /// <summary>A message of a stream.</summary>
    public static ReplayEvent Of(JetStreamMessage message)
    {
        ArgumentNullException.ThrowIfNull(message);
        return Of(message.Stream, message.StreamSequence, message.Subject, message.Headers, message.Payload, message.Timestamp, fromOutbox: false);
    }

    internal static ReplayEvent Of(
        string stream, ulong sequence, string subject, NatsHeaders? headers, ReadOnlyMemory<byte> payload, DateTimeOffset stored, bool fromOutbox)
    {
        var own = DateTimeOffset.TryParse(headers?[EventHeaders.Time], CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time);
        return new(stream, sequence, subject, headers, payload, own ? time : stored, fromOutbox);
    }
}
