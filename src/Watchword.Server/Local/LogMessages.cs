namespace Watchword.Server.Local;

internal static partial class LogMessages
{
    [LoggerMessage(1000, LogLevel.Information, "starting {Engine} {Version} on 127.0.0.1:{Port}, data in {Folder}")]
    public static partial void EngineStarting(this ILogger log, string engine, string version, int port, string folder);

    [LoggerMessage(1001, LogLevel.Information, "{Engine} is ready on 127.0.0.1:{Port} (pid {Pid})")]
    public static partial void EngineReady(this ILogger log, string engine, int port, int pid);

    [LoggerMessage(1002, LogLevel.Information, "{Engine} (pid {Pid}, port {Port}) was left running by an earlier server and is healthy: adopted")]
    public static partial void EngineAdopted(this ILogger log, string engine, int pid, int port);

    [LoggerMessage(1003, LogLevel.Warning, "{Engine} (pid {Pid}) was left running by an earlier server: stopping it, because {Reason}")]
    public static partial void EngineReplaced(this ILogger log, string engine, int pid, string reason);

    [LoggerMessage(1004, LogLevel.Warning, "{Engine} (pid {Pid}) ended unexpectedly: restarting it in {Delay}")]
    public static partial void EngineDied(this ILogger log, string engine, int pid, TimeSpan delay);

    [LoggerMessage(1005, LogLevel.Information, "{Engine} is back (pid {Pid})")]
    public static partial void EngineBack(this ILogger log, string engine, int pid);

    [LoggerMessage(1006, LogLevel.Error, "{Engine} cannot be restarted; next attempt in {Delay}")]
    public static partial void EngineRestartFailed(this ILogger log, Exception cause, string engine, TimeSpan delay);

    [LoggerMessage(1007, LogLevel.Information, "stopping {Engine} (pid {Pid})")]
    public static partial void EngineStopping(this ILogger log, string engine, int pid);

    [LoggerMessage(1008, LogLevel.Warning, "{Engine}: port {Wanted} is taken by {Listener}; using {Port}")]
    public static partial void PortMoved(this ILogger log, string engine, int wanted, string listener, int port);

    [LoggerMessage(1009, LogLevel.Error, "a listener to changes of the local engines failed")]
    public static partial void ChangedHandlerFailed(this ILogger log, Exception cause);

    [LoggerMessage(1020, LogLevel.Information, "creating a PostgreSQL {Major} cluster in {Folder}")]
    public static partial void ClusterCreating(this ILogger log, int major, string folder);

    [LoggerMessage(1021, LogLevel.Information, "user {User} cannot reach {Data}, so the PostgreSQL cluster lies in {Folder}")]
    public static partial void ClusterElsewhere(this ILogger log, string user, string data, string folder);

    [LoggerMessage(1022, LogLevel.Warning, "{Folder} holds a cluster whose creation was cut short: set aside as {Aside}")]
    public static partial void ClusterIncomplete(this ILogger log, string folder, string aside);

    [LoggerMessage(1023, LogLevel.Warning, "the data folder that cluster {Folder} belonged to was removed: the cluster is set aside as {Aside}")]
    public static partial void ClusterOrphaned(this ILogger log, string folder, string aside);

    [LoggerMessage(1024, LogLevel.Information, "the data folder moved from {From} to {To}: its cluster moves with it")]
    public static partial void ClusterFollows(this ILogger log, string from, string to);

    [LoggerMessage(1025, LogLevel.Warning, "removed {File}, which named process {Pid}: that is not our PostgreSQL")]
    public static partial void StalePidFileRemoved(this ILogger log, string file, int pid);

    [LoggerMessage(1026, LogLevel.Warning, "stopping {Count} processes that a dead PostgreSQL left behind in {Folder}")]
    public static partial void StraysStopped(this ILogger log, int count, string folder);

    [LoggerMessage(1027, LogLevel.Warning, "the password of role {Role} was lost or differs: setting a new one")]
    public static partial void PasswordReset(this ILogger log, string role);

    [LoggerMessage(1028, LogLevel.Information, "gave {Folder} to user {User}, whom PostgreSQL runs as")]
    public static partial void ClusterOwned(this ILogger log, string folder, string user);

    [LoggerMessage(1029, LogLevel.Information, "PostgreSQL is recovering; waiting")]
    public static partial void Recovering(this ILogger log);
}
