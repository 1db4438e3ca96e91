using Microsoft.Extensions.Logging;

namespace Watchword;

/// <summary>Every log line of this project, with a stable event id (3000–3999).</summary>
internal static partial class LogMessages
{
    [LoggerMessage(3000, LogLevel.Information, "User sync reads stream {Stream} as {Durable}")]
    public static partial void SyncReads(this ILogger logger, string stream, string durable);

    [LoggerMessage(3001, LogLevel.Information, "User synced successfully: {Events} events, {Users} users")]
    public static partial void UsersSynced(this ILogger logger, int events, int users);

    [LoggerMessage(3002, LogLevel.Information, "User {User} waits for an address that another row of the users table holds; it is stored when the address is free")]
    public static partial void AddressTaken(this ILogger logger, string user);

    [LoggerMessage(3003, LogLevel.Warning, "The target database failed; retrying in {Delay}: {Reason}")]
    public static partial void TargetFailed(this ILogger logger, string reason, TimeSpan delay);
}
