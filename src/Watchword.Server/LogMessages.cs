namespace Watchword.Server;

/// <summary>Every log line of this project but the local engines', with a stable event id (1100–1999).</summary>
internal static partial class LogMessages
{
    [LoggerMessage(1100, LogLevel.Error, "{Method} {Path} failed")]
    public static partial void RequestFailed(this ILogger logger, Exception exception, string method, string path);

    [LoggerMessage(1101, LogLevel.Warning, "The mirror of ended sessions was interrupted, the database is asked instead: {Reason}")]
    public static partial void MirrorInterrupted(this ILogger logger, string reason);

    [LoggerMessage(1103, LogLevel.Warning, "The database is not ready, trying again: {Reason}")]
    public static partial void DatabaseNotReady(this ILogger logger, string reason);

    [LoggerMessage(1140, LogLevel.Information, "The sample subscribers were started (pid {Pid}); they write mails to {Folder}")]
    public static partial void SamplesStarted(this ILogger logger, int pid, string folder);

    [LoggerMessage(1104, LogLevel.Warning, "{Method} {Path} was answered 503: {Reason}")]
    public static partial void RequestPutOff(this ILogger logger, string method, string path, string reason);

    [LoggerMessage(1120, LogLevel.Information, "Administrator {Admin} replays {Stream} from {From} to {To}, user {User}, type {Type}, to {Target}: replay {Replay}")]
    public static partial void ReplayAsked(this ILogger logger, string admin, string replay, string stream, ulong from, ulong to, string user, string type, string target);

    [LoggerMessage(1121, LogLevel.Information, "Replay {Replay} of administrator {Admin} is done: {Events} events")]
    public static partial void ReplayDone(this ILogger logger, string admin, string replay, long events);

    [LoggerMessage(1122, LogLevel.Information, "Administrator {Admin} downloads {Stream} from {From} to {To}, user {User}, type {Type}")]
    public static partial void EventsDownloaded(this ILogger logger, string admin, string stream, ulong from, ulong to, string user, string type);

    [LoggerMessage(1123, LogLevel.Information, "Administrator {Admin} looks at the {What}")]
    public static partial void StatusAsked(this ILogger logger, string admin, string what);

    [LoggerMessage(1124, LogLevel.Warning, "The replay of {Stream} for administrator {Admin} ended early. {Message}")]
    public static partial void ReplayEndedEarly(this ILogger logger, string stream, string admin, string message);

    [LoggerMessage(1130, LogLevel.Information, "Administrator {Actor} had dead letter {Letter} of {Consumer} redriven")]
    public static partial void DeadLetterRedriven(this ILogger logger, string actor, long letter, string consumer);

    [LoggerMessage(1131, LogLevel.Information, "Administrator {Actor} discarded dead letter {Letter}: {Reason}")]
    public static partial void DeadLetterDiscarded(this ILogger logger, string actor, long letter, string reason);
}
