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
}
