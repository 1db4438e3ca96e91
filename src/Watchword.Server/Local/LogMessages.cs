namespace Watchword.Server.Local;

internal static partial class LogMessages
{
    [LoggerMessage(1000, LogLevel.Information, "Starting {Engine} on 127.0.0.1:{Port} in {Folder}")]
    public static partial void EngineStarting(this ILogger log, string engine, int port, string folder);

    [LoggerMessage(1001, LogLevel.Information, "{Engine} is ready on 127.0.0.1:{Port} (pid {Pid})")]
    public static partial void EngineReady(this ILogger log, string engine, int port, int pid);

    [LoggerMessage(1003, LogLevel.Warning, "Stopping {Program} (pid {Pid}), which an earlier start left running in {Folder}")]
    public static partial void LeftoverStopping(this ILogger log, string program, int pid, string folder);

    [LoggerMessage(1004, LogLevel.Warning, "{Engine} (pid {Pid}) ended unexpectedly; restarting it in {Delay}")]
    public static partial void EngineDied(this ILogger log, string engine, int pid, TimeSpan delay);

    [LoggerMessage(1005, LogLevel.Information, "{Engine} is back (pid {Pid})")]
    public static partial void EngineBack(this ILogger log, string engine, int pid);

    [LoggerMessage(1006, LogLevel.Error, "Could not restart {Engine}; trying again in {Delay}")]
    public static partial void EngineRestartFailed(this ILogger log, Exception cause, string engine, TimeSpan delay);

    [LoggerMessage(1007, LogLevel.Information, "Stopping {Engine} (pid {Pid})")]
    public static partial void EngineStopping(this ILogger log, string engine, int pid);

    [LoggerMessage(1008, LogLevel.Warning, "Port {Wanted} for {Engine} is taken by another program; using {Port}")]
    public static partial void PortMoved(this ILogger log, string engine, int wanted, int port);

    [LoggerMessage(1009, LogLevel.Error, "Could not publish the new address of {Engine}")]
    public static partial void ChangedHandlerFailed(this ILogger log, Exception cause, string engine);

    [LoggerMessage(1020, LogLevel.Information, "Creating a PostgreSQL {Major} cluster in {Folder}")]
    public static partial void ClusterCreating(this ILogger log, int major, string folder);

    [LoggerMessage(1021, LogLevel.Information, "User {User} cannot reach {Data}, so PostgreSQL keeps its data in {Folder}")]
    public static partial void ClusterOutside(this ILogger log, string user, string data, string folder);

    [LoggerMessage(1023, LogLevel.Warning, "{Folder} belongs to a data folder that was removed; moved it to {Aside}")]
    public static partial void ClusterSetAside(this ILogger log, string folder, string aside);

    [LoggerMessage(1025, LogLevel.Warning, "Removed the stale {File}: process {Pid} is not the PostgreSQL of this data folder")]
    public static partial void StalePidFileRemoved(this ILogger log, string file, int pid);

    [LoggerMessage(1027, LogLevel.Warning, "The stored password of PostgreSQL role {Role} is missing or wrong; setting a new one")]
    public static partial void PasswordReset(this ILogger log, string role);
}
