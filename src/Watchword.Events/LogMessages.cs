using Microsoft.Extensions.Logging;

namespace Watchword.Events;

/// <summary>Every log line of this project, with a stable event id (2000–2999).</summary>
internal static partial class LogMessages
{
    [LoggerMessage(2000, LogLevel.Information, "Applied migration {Set}/{Number}_{Name}")]
    public static partial void MigrationApplied(this ILogger logger, string set, int number, string name);

    [LoggerMessage(2001, LogLevel.Warning, "{Loop} was interrupted and will resume: {Reason}")]
    public static partial void LoopInterrupted(this ILogger logger, string loop, string reason);

    [LoggerMessage(2002, LogLevel.Error, "{Loop} failed and will begin again; please report this")]
    public static partial void LoopFailed(this ILogger logger, Exception exception, string loop);

    [LoggerMessage(2010, LogLevel.Information, "JetStream stream '{Stream}' created successfully")]
    public static partial void StreamCreated(this ILogger logger, string stream);

    [LoggerMessage(2011, LogLevel.Warning, "JetStream stream '{Stream}' has other settings than Watchword would give it, and is left as it is: {Differences}")]
    public static partial void StreamDiffers(this ILogger logger, string stream, string differences);

    // The line and the names of its members are spec 1's ("Log Examples").
    [LoggerMessage(2020, LogLevel.Information, "Auth event published successfully")]
    public static partial void AuthEventPublished(this ILogger logger, string @event, string userId, DateTime timestamp);

    [LoggerMessage(2021, LogLevel.Error, "Failed to publish auth event")]
    public static partial void AuthEventNotPublished(this ILogger logger, string @event, string error, string userId, long position);

    [LoggerMessage(2027, LogLevel.Error, "Failed to publish change event")]
    public static partial void ChangeEventNotPublished(this ILogger logger, string @event, string error, string key, long position);

    [LoggerMessage(2022, LogLevel.Error, "Event {Position} ({Subject}) cannot be published; it and later events of {Key} wait, all others go on: {Reason}")]
    public static partial void EventHeld(this ILogger logger, long position, string subject, string key, string reason);

    [LoggerMessage(2023, LogLevel.Information, "This process carries the outbox to JetStream")]
    public static partial void RelayLeads(this ILogger logger);

    [LoggerMessage(2030, LogLevel.Debug, "Stream '{Stream}' was audited: {Compared} events compared, all there, in {Milliseconds} ms")]
    public static partial void StreamAudited(this ILogger logger, string stream, long compared, long milliseconds);

    [LoggerMessage(2031, LogLevel.Warning, "Stream '{Stream}' acknowledged {Lost} events and lost them, of {Compared} compared: they are published again")]
    public static partial void EventsLost(this ILogger logger, string stream, long lost, long compared);

    [LoggerMessage(2032, LogLevel.Warning, "Stream '{Stream}' holds {Corrected} events at other sequences than the outbox said: the outbox was corrected")]
    public static partial void SequencesCorrected(this ILogger logger, string stream, long corrected);

    [LoggerMessage(2033, LogLevel.Warning, "Stream '{Stream}' does not hold event {Id} at sequence {Sequence}, as it once acknowledged: it is audited before anything else is published")]
    public static partial void StreamEndMissing(this ILogger logger, string stream, string id, ulong sequence);

    [LoggerMessage(2034, LogLevel.Warning, "The audit of stream '{Stream}' was interrupted and will be tried again: {Reason}")]
    public static partial void AuditInterrupted(this ILogger logger, string stream, string reason);

    [LoggerMessage(2040, LogLevel.Information, "JetStream stream '{Stream}' now takes {Subject} too")]
    public static partial void StreamSubjectAdded(this ILogger logger, string stream, string subject);

    [LoggerMessage(2050, LogLevel.Warning, "Enricher {Enricher} failed; events go on without it, and it is tried again with each: {Reason}")]
    public static partial void EnricherFailed(this ILogger logger, string enricher, string reason);

    [LoggerMessage(2051, LogLevel.Warning, "Enricher {Enricher} took longer than {Milliseconds} ms; it is left out for {Seconds} s")]
    public static partial void EnricherOverran(this ILogger logger, string enricher, int milliseconds, int seconds);

    [LoggerMessage(2052, LogLevel.Information, "Read {Networks} networks from {File}")]
    public static partial void CountriesRead(this ILogger logger, int networks, string file);

    [LoggerMessage(2053, LogLevel.Warning, "{File} changed and cannot be read; what was read before stays in use: {Reason}")]
    public static partial void CountriesNotRead(this ILogger logger, string file, string reason);
}
