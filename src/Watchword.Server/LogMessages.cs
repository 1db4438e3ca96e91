namespace Watchword.Server;

/// <summary>The log messages of this project, except those of the local engines. Event ids are stable: 1100–1999.</summary>
internal static partial class LogMessages
{
    [LoggerMessage(1100, LogLevel.Error, "{Method} {Path} failed")]
    public static partial void RequestFailed(this ILogger logger, Exception exception, string method, string path);

    [LoggerMessage(1101, LogLevel.Warning, "Could not read the ended sessions; every token check asks the database until this succeeds again: {Reason}")]
    public static partial void EndedSessionsNotRead(this ILogger logger, string reason);

    [LoggerMessage(1103, LogLevel.Warning, "The database is not ready; trying again: {Reason}")]
    public static partial void DatabaseNotReady(this ILogger logger, string reason);

    [LoggerMessage(1140, LogLevel.Information, "The sample subscribers were started (pid {Pid}); they write mails to {Folder}")]
    public static partial void SamplesStarted(this ILogger logger, int pid, string folder);

    [LoggerMessage(1104, LogLevel.Warning, "{Method} {Path} answered 503: {Reason}")]
    public static partial void RequestUnavailable(this ILogger logger, string method, string path, string reason);

    [LoggerMessage(1120, LogLevel.Information, "Administrator {Admin} started replay {Replay} of {Stream} from {From} to {To}, user {User}, type {Type}, to {Target}")]
    public static partial void ReplayAsked(this ILogger logger, string admin, string replay, string stream, ulong from, ulong to, string user, string type, string target);

    [LoggerMessage(1121, LogLevel.Information, "Replay {Replay} of administrator {Admin} finished: {Events} events")]
    public static partial void ReplayDone(this ILogger logger, string admin, string replay, long events);

    [LoggerMessage(1122, LogLevel.Information, "Administrator {Admin} started downloading {Stream} from {From} to {To}, user {User}, type {Type}")]
    public static partial void EventsDownloaded(this ILogger logger, string admin, string stream, ulong from, ulong to, string user, string type);

    [LoggerMessage(1123, LogLevel.Information, "Administrator {Admin} listed the {What}")]
    public static partial void StatusAsked(this ILogger logger, string admin, string what);

    [LoggerMessage(1124, LogLevel.Warning, "A replay of {Stream} for administrator {Admin} stopped early: {Message}")]
    public static partial void ReplayEndedEarly(this ILogger logger, string stream, string admin, string message);

    [LoggerMessage(1130, LogLevel.Information, "Administrator {Actor} redrove dead letter {Letter} of {Consumer}")]
    public static partial void DeadLetterRedriven(this ILogger logger, string actor, long letter, string consumer);

    [LoggerMessage(1131, LogLevel.Information, "Administrator {Actor} discarded dead letter {Letter}: {Reason}")]
    public static partial void DeadLetterDiscarded(this ILogger logger, string actor, long letter, string reason);
}
