using System.Globalization;

namespace Watchword.Server.Local;

/// <summary>A PostgreSQL cluster on disk, its server not running: created, checked, and put right.</summary>
internal sealed class Cluster(
    string folder, PostgresPrograms programs, EngineUser user, bool syncToDisk, ILogger log)
{
    public const string Role = "watchword";

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const string CompleteMarker = "watchword.complete";

    private const string Settings =
        """

        # Watchword's own. Port and addresses are given on the command line.
        max_connections = 100
        shared_buffers = 128MB
        max_wal_size = 1GB
        cluster_name = 'watchword'
        timezone = 'UTC'
        log_timezone = 'UTC'
        log_line_prefix = '%m [%p] %d '
        # The details of a refused row would put hashes and addresses into the log.
        log_error_verbosity = terse
        """;

    private const string Access =
        """
        # Passwords only, loopback only.
        host all all 127.0.0.1/32 scram-sha-256
        """;

    public string Folder => folder;
    public PostgresPrograms Programs => programs;
    public EngineUser User => user;

    /// <summary>The major version that wrote the cluster; null when there is none, or none that is whole.</summary>
    public static int? MajorOf(string folder, ILogger log)
    {
        if (!Directory.Exists(folder))
            return null;
        if (!Directory.EnumerateFileSystemEntries(folder).Any())
        {
            Directory.Delete(folder);
            return null;
        }

        var version = AtomicFile.Read(Path.Combine(folder, "PG_VERSION"));
        if (version is null || !File.Exists(Path.Combine(folder, "global", "pg_control")))
        {
            var aside = ClusterPlace.Stamped(folder, "incomplete");
            log.ClusterIncomplete(folder, aside);
            Directory.Move(folder, aside);
            return null;
        }

        if (!File.Exists(Path.Combine(folder, CompleteMarker)))
            throw new LocalEngineException(
                $"{folder} holds a PostgreSQL cluster that Watchword did not create. Move it away, or run it yourself and " +
                "set DATABASE_URL and TARGET_DATABASE_URL.");
        return int.TryParse(version.Split('.')[0], CultureInfo.InvariantCulture, out var major)
            ? major
            : throw new LocalEngineException($"{folder}/PG_VERSION reads \"{version}\", which is no version.");
    }

    /// <summary>
    /// Creates the cluster under another name and renames it when it is whole: one cut short is never mistaken for data.
    /// </summary>
    public async Task CreateAsync(string password, CancellationToken cancel)
    {
        var parent = Path.GetDirectoryName(folder)!;
        RemoveCutShort(parent);
        log.ClusterCreating(programs.Major, folder);
        var young = Path.Combine(parent, "postgres.new-" + Guid.NewGuid().ToString("N")[..8]);
        Directory.CreateDirectory(young, OwnerOnly);
        try
        {
            await FillAsync(young, password, cancel);
            Directory.Move(young, folder);
        }
        catch
        {
            RemoveCutShort(parent);
            throw;
        }
    }

    /// <summary>Undoes what a copy by another user, or a loose umask, did to owner and mode.</summary>
    public async Task RepairOwnerAsync(CancellationToken cancel)
    {
        if (user.IsOther && await EngineUser.OwnerOfAsync(folder, cancel) != user.Uid)
        {
            log.ClusterOwned(folder, user.Name);
            await user.OwnAllAsync(folder, cancel);
        }

        if (File.GetUnixFileMode(folder) != OwnerOnly)
            File.SetUnixFileMode(folder, OwnerOnly);
    }

    /// <summary>Sets the role's password without knowing the old one.</summary>
    public Task SetPasswordAsync(string password, CancellationToken cancel) => SetPasswordAsync(folder, password, cancel);

    private static void RemoveCutShort(string parent)
    {
        foreach (var cutShort in Directory.EnumerateDirectories(parent, "postgres.new-*"))
        {
            try
            {
                Directory.Delete(cutShort, recursive: true);
            }
            catch (IOException)
            {
                // An initdb that is being killed still writes there. The next creation removes it.
            }
        }
    }

    private async Task FillAsync(string young, string password, CancellationToken cancel)
    {
        user.Own(young);
        await InitializeAsync(young, cancel);
        await File.AppendAllTextAsync(Path.Combine(young, "postgresql.conf"), Settings + "\n", cancel);
        await File.WriteAllTextAsync(Path.Combine(young, "pg_hba.conf"), Access + "\n", cancel);
        await SetPasswordAsync(young, password, cancel);
        await File.WriteAllTextAsync(Path.Combine(young, CompleteMarker), "Created by Watchword.\n", cancel);
        user.Own(Path.Combine(young, CompleteMarker));
    }

    private async Task InitializeAsync(string young, CancellationToken cancel)
    {
        // The order of C.UTF-8 is that of code points on every machine, and it still knows É from é.
        var locale = OperatingSystem.IsMacOS() ? "en_US.UTF-8" : "C.UTF-8";
        var answer = await InitDbAsync(young, locale, cancel);
        if (answer.ExitCode != 0 && answer.Output.Contains("invalid locale", StringComparison.Ordinal))
            answer = await InitDbAsync(young, "C", cancel);
        if (answer.ExitCode != 0)
            throw new LocalEngineException(
                $"PostgreSQL could not create its cluster in {folder}.{Advice.ForDisk(folder, answer.Output)} It said:\n{answer.Output}");
    }

    // Nobody can connect while it is being created, so "trust" there trusts no one.
    private Task<Command.Result> InitDbAsync(string young, string locale, CancellationToken cancel)
    {
        string[] sync = syncToDisk ? [] : ["--no-sync"];
        return Command.RunAsync(
            programs.InitDb,
            ["-D", young, "-U", Role, "-A", "trust", "-E", "UTF8", "--locale=" + locale, "--no-instructions", .. sync],
            user: user, cancel: cancel);
    }

    private async Task SetPasswordAsync(string at, string password, CancellationToken cancel)
    {
        string[] sync = syncToDisk ? [] : ["-F"];
        var answer = await Command.RunAsync(
            programs.Postgres, ["--single", "-D", at, "-c", "exit_on_error=on", .. sync, "postgres"],
            $"ALTER ROLE {Role} PASSWORD '{password}'\n", user, cancel);
        if (answer.ExitCode != 0)
            throw new LocalEngineException($"The password of PostgreSQL role {Role} cannot be set:\n{answer.Output}");
    }
}
