using Microsoft.Extensions.Logging;

namespace Watchword.Events;

/// <summary>Every log line of this project, with a stable event id (2000–2999).</summary>
internal static partial class LogMessages
{
    [LoggerMessage(2000, LogLevel.Information, "Applied migration {Set}/{Number}_{Name}")]
    public static partial void MigrationApplied(this ILogger logger, string set, int number, string name);
}
