using NATS.Client.Core;

namespace Watchword.Events.Contracts;

/// <summary>The headers that Watchword's messages carry.</summary>
public static class EventHeaders
{
    /// <summary>The event's id, a UUIDv7; the same on every delivery of the event.</summary>
    public const string MessageId = "Nats-Msg-Id";

    /// <summary>Always <c>application/json</c>.</summary>
    public const string ContentType = "Content-Type";

    /// <summary>Always <c>1.0</c> (CloudEvents).</summary>
    public const string SpecVersion = "ce-specversion";

    /// <summary>The event's id again (CloudEvents 1.0); it stays when a replay gives the message another one.</summary>
    public const string EventId = "ce-id";

    /// <summary>The URL of the identity server that published it (CloudEvents 1.0).</summary>
    public const string Source = "ce-source";

    /// <summary>The event's name, which is its subject (CloudEvents 1.0).</summary>
    public const string Type = "ce-type";

    /// <summary>The key, a user's or an organization's id, percent-encoded where it is not plain ASCII (CloudEvents 1.0).</summary>
    public const string Key = "ce-subject";

    /// <summary>When it happened: ISO 8601, UTC, milliseconds (CloudEvents 1.0).</summary>
    public const string Time = "ce-time";

    /// <summary>The position in the outbox, which is the version of the user or organization after the event.</summary>
    public const string Version = "Watchword-Version";

    /// <summary>The same for everything that one request caused.</summary>
    public const string CorrelationId = "Watchword-Correlation-Id";

    /// <summary>The user who acted.</summary>
    public const string Actor = "Watchword-Actor";

    /// <summary>The user whom the actor impersonates; absent when the actor acts in their own name.</summary>
    public const string OnBehalfOf = "Watchword-On-Behalf-Of";

    /// <summary>The service that caused the change; a consumer can skip what it caused itself.</summary>
    public const string Origin = "Watchword-Origin";

    /// <summary>On replayed messages: the id of the replay.</summary>
    public const string Replay = "Watchword-Replay";

    /// <summary><c>1</c> on an event that the stream lost and that was published again: its key's later events may lie before it.</summary>
    public const string Republished = "Watchword-Republished";

    /// <summary>The id of the message before it in the stream, by which the server kept the order as it stored it; readers can ignore it.</summary>
    public const string ExpectedLastMessageId = "Nats-Expected-Last-Msg-Id";

    /// <summary>W3C Trace Context.</summary>
    public const string TraceParent = "traceparent";

    /// <summary>The first value of a header; null when there is none.</summary>
    public static string? Find(this NatsHeaders? headers, string name) =>
        headers is not null && headers.TryGetValue(name, out var values) && values.Count > 0 ? values[0] : null;

    /// <summary>Adds a header that came from elsewhere, unless it holds what no header can carry.</summary>
    internal static void AddForeign(this NatsHeaders headers, string name, string? value)
    {
        if (value is not null && name.Length > 0 && !name.AsSpan().ContainsAnyExceptInRange('!', '~') && !name.Contains(':', StringComparison.Ordinal) && value.AsSpan().IndexOfAny('\r', '\n') < 0)
            headers[name] = headers.TryGetValue(name, out var others) ? Microsoft.Extensions.Primitives.StringValues.Concat(others, value) : value;
    }
}
