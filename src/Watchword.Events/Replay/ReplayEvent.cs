using System.Globalization;
using NATS.Client.Core;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;

namespace Watchword.Events.Replay;

/// <summary>An event as it lies in a stream, or lay there.</summary>
/// <param name="Stream">The stream.</param>
/// <param name="Sequence">Its place there.</param>
/// <param name="Subject">Where it was published.</param>
/// <param name="Headers">Its headers; null when it has none.</param>
/// <param name="Payload">Its body.</param>
/// <param name="Time">When it happened: its own time, else the stream's.</param>
/// <param name="FromOutbox">The stream has it no more.</param>
public readonly record struct ReplayEvent(
    string Stream, ulong Sequence, string Subject, NatsHeaders? Headers, byte[] Payload, DateTimeOffset Time, bool FromOutbox)
{
    /// <summary>The event's own id; null when a foreign publisher gave none.</summary>
    public string? Id => Headers.Find(EventHeaders.EventId) ?? Headers.Find(EventHeaders.MessageId);

    /// <summary>The user or organization that its order is kept within; null when nothing tells.</summary>
    public string? Key => EventKey.Of(Subject, Headers, Payload);

    /// <summary>A message of a stream.</summary>
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
