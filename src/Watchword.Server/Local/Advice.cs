namespace Watchword.Server.Local;

/// <summary>Tells the operator what to do about failures that the system or an engine reports in its own words.</summary>
internal static class Advice
{
    private const long TightSpace = 64L << 20;

    public const string PostgresMissing =
        """
        No PostgreSQL server (15 or newer) was found. Install one:
          Debian, Ubuntu:  apt-get install postgresql
          Fedora:          dnf install postgresql-server
          macOS:           brew install postgresql@17
        or set DATABASE_URL (and TARGET_DATABASE_URL) to use a server that runs already.
        """;

    public const string NatsMissing =
        """
        No nats-server was found. Install one:
          Debian, Ubuntu:  apt-get install nats-server
          Fedora:          dnf install golang && GOBIN=/usr/local/bin go install github.com/nats-io/nats-server/v2@latest
          macOS:           brew install nats-server
        or set NATS_URL to use a server that runs already.
        """;

    /// <summary>A hint about a full disk if the message or the disk itself suggests one, else an empty string.</summary>
    public static string ForDisk(string path, string words)
    {
        if (words.Contains("No space left", StringComparison.OrdinalIgnoreCase)
            || words.Contains("free disk space", StringComparison.OrdinalIgnoreCase) || FreeSpace(path) < TightSpace)
            return $" The disk that holds {path} is full: make room, or set WATCHWORD_DATA to a folder on another disk.";
        return "";
    }

    /// <summary>Explains, with the engine's last lines of output, why it ended while starting.</summary>
    public static LocalEngineException EngineFailed(string engine, string folder, EngineLog log, string words)
    {
        var lines = words.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        var last = string.Concat(lines.TakeLast(8).Select(line => "\n  " + line));
        return new LocalEngineException(
            $"{engine} did not start.{ForDisk(folder, words)} Its last output:{last}\nThe whole log is in {log.Path}");
    }

    private static long FreeSpace(string path)
    {
        try
        {
            return new DriveInfo(path).AvailableFreeSpace;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return long.MaxValue;
        }
    }
}
