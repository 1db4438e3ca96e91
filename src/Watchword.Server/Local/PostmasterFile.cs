using System.Globalization;

namespace Watchword.Server.Local;

/// <summary>PostgreSQL's own note of the server that runs on a cluster: <c>postmaster.pid</c>.</summary>
internal sealed record PostmasterFile(string Path, int Pid, int? Port)
{
    private const int PortLine = 3;

    public static PostmasterFile? Read(string clusterFolder)
    {
        var path = System.IO.Path.Combine(clusterFolder, "postmaster.pid");
        if (!File.Exists(path))
            return null;
        var lines = File.ReadAllText(path).Split('\n');
        return new(path, Number(lines, 0) ?? 0, Number(lines, PortLine));
    }

    private static int? Number(string[] lines, int index) =>
        index < lines.Length && int.TryParse(lines[index], CultureInfo.InvariantCulture, out var number) ? number : null;
}
