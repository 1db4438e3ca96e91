using Watchword.Server.Local;

namespace Watchword.Server.Cli;

/// <summary>The server that runs on a data folder, as its <c>endpoints.json</c> tells.</summary>
internal static class RunningServer
{
    /// <summary>Null when none runs there.</summary>
    public static string? NatsUrl(string dataFolder) => EndpointsFile.Read(Path.GetFullPath(dataFolder))?.Nats;
}
