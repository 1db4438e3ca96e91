using Watchword.Server.Local;

namespace Watchword.Server.Cli;

/// <summary>The server that runs on a data folder, as its <c>endpoints.json</c> tells.</summary>
internal static class RunningServer
{
    /// <summary>Null when none runs there.</summary>
    public static string? NatsUrl(string dataFolder) => EndpointsFile.Read(Path.GetFullPath(dataFolder))?.Nats;

    /// <summary>Null when none runs there, or it has no target.</summary>
    public static string? TargetDatabaseUrl(string dataFolder) => EndpointsFile.Read(Path.GetFullPath(dataFolder))?.TargetDatabase is { Length: > 0 } url ? url : null;
}
