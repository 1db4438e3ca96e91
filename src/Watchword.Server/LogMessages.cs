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
}
