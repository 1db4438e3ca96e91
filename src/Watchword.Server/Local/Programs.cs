using System.Globalization;
using System.Text.RegularExpressions;

namespace Watchword.Server.Local;

/// <summary>One installation of PostgreSQL's server programs.</summary>
internal sealed record PostgresPrograms(string Folder, int Major)
{
    public string Postgres => Path.Combine(Folder, "postgres");
    public string InitDb => Path.Combine(Folder, "initdb");
}

/// <summary>Finds the engines' programs on this machine.</summary>
internal sealed partial class Programs(IReadOnlyList<string>? folders = null)
{
    private const int OldestPostgres = 15;

    private static readonly string[] PostgresRoots =
    [
        "/usr/lib/postgresql", // Debian, Ubuntu: <major>/bin
        "/usr", // Red Hat's packages by the PostgreSQL project: pgsql-<major>/bin
        "/opt/homebrew/opt", "/usr/local/opt", // Homebrew: postgresql@<major>/bin
    ];

    private static readonly string[] UsualFolders =
        ["/usr/local/bin", "/usr/bin", "/bin", "/usr/local/sbin", "/usr/sbin", "/sbin", "/opt/homebrew/bin"];

    /// <summary>The full path of a program, or null if it is not installed.</summary>
    public string? Find(string name) =>
        (folders ?? [.. SearchPath(), .. UsualFolders])
            .Select(folder => Path.Combine(folder, name))
            .FirstOrDefault(File.Exists);

    // Newest first.
    private async Task<IReadOnlyList<PostgresPrograms>> FindPostgresAsync(CancellationToken cancel)
    {
        var found = new List<PostgresPrograms>();
        foreach (var folder in PostgresFolders().Distinct())
        {
            if (!File.Exists(Path.Combine(folder, "initdb")) || !File.Exists(Path.Combine(folder, "postgres")))
                continue;
            var answer = await Command.RunAsync(Path.Combine(folder, "postgres"), ["--version"], cancel: cancel);
            var version = Version().Match(answer.Output);
            if (version.Success)
                found.Add(new(folder, int.Parse(version.Groups["major"].ValueSpan, CultureInfo.InvariantCulture)));
        }

        return [.. found.OrderByDescending(p => p.Major)];
    }

    /// <summary>The installation of the cluster's major version, or the newest one for a new cluster.</summary>
    /// <exception cref="LocalEngineException">It is not installed.</exception>
    public async Task<PostgresPrograms> ChoosePostgresAsync(string clusterFolder, int? clusterMajor, CancellationToken cancel)
    {
        var all = await FindPostgresAsync(cancel);
        if (clusterMajor is null)
            return all.FirstOrDefault(p => p.Major >= OldestPostgres)
                   ?? throw new LocalEngineException(Advice.PostgresMissing);
        if (all.FirstOrDefault(p => p.Major == clusterMajor) is { } fitting)
            return fitting;

        var present = all.Count == 0 ? "none is installed" : "installed: " + string.Join(", ", all.Select(p => p.Major));
        throw new LocalEngineException(
            $"The data in {clusterFolder} was written by PostgreSQL {clusterMajor} and needs that version ({present}). " +
            $"Install it (Debian, Ubuntu: apt-get install postgresql-{clusterMajor}; Fedora: dnf install postgresql{clusterMajor}-server; " +
            $"macOS: brew install postgresql@{clusterMajor}), or set WATCHWORD_DATA to another folder to start afresh.");
    }

    private IEnumerable<string> PostgresFolders()
    {
        if (folders is not null)
            return folders;
        var versioned = PostgresRoots.Where(Directory.Exists)
            .SelectMany(root => Directory.EnumerateDirectories(root))
            .Where(folder => VersionedFolder().IsMatch(Path.GetFileName(folder)))
            .Select(folder => Path.Combine(folder, "bin"));
        return [.. versioned, "/usr/local/pgsql/bin", .. SearchPath(), .. UsualFolders];
    }

    private static string[] SearchPath() =>
        (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':', StringSplitOptions.RemoveEmptyEntries);

    [GeneratedRegex(@"\(PostgreSQL\) (?<major>\d+)", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, 1000)]
    private static partial Regex Version();

    [GeneratedRegex(@"^(\d+|pgsql-\d+|postgresql@\d+)$", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant, 1000)]
    private static partial Regex VersionedFolder();
}
