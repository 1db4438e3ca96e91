using Microsoft.Extensions.Logging;

namespace Watchword.Samples.Subscribers;

/// <summary>All log messages of the samples, with stable event ids (5000–5099).</summary>
internal static partial class LogMessages
{
    [LoggerMessage(5000, LogLevel.Information, "Security alert {Id} was raised")]
    public static partial void AlertRaised(this ILogger logger, Guid id);

    [LoggerMessage(5001, LogLevel.Warning, "The database is not ready; retrying: {Reason}")]
    public static partial void DatabaseNotReady(this ILogger logger, string reason);

    [LoggerMessage(5002, LogLevel.Error, "Security alert {Id} of {Bytes} bytes is too large for the stream and was skipped; it stays in security.alert: {Reason}")]
    public static partial void AlertSkipped(this ILogger logger, Guid id, int bytes, string reason);
}
