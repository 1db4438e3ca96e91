using System.Globalization;

namespace Watchword.Server.Local;

/// <summary>A PostgreSQL cluster on disk: where it lies, how it is created and put right. Its server must not be running.</summary>
internal sealed class Cluster(
    string folder, PostgresPrograms programs, EngineUser user, bool syncToDisk, ILogger log)
{
    public const string Role = "watchword";

    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const UnixFileMode Everyone =
        OwnerOnly | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    private const string CompleteMarker = "watchword.complete";

    private const string Settings =
        """

        # Set by Watchword. Port and addresses are given on the command line.
        max_connections = 100
        shared_buffers = 128MB
        max_wal_size = 1GB
        cluster_name = 'watchword'
        timezone = 'UTC'
        log_timezone = 'UTC'
        log_line_prefix = '%m [%p] %d '
        # The details of a rejected row would put hashes and email addresses into the log.
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

    /// <summary>
    /// The folder that holds the cluster or is to hold it: <c>postgres</c> in the data folder. If root's data folder is
    /// out of reach for user postgres, it is <c>postgres</c> in the folder of the same path below the system folder.
    /// </summary>
    /// <param name="data">The data folder.</param>
    /// <param name="user">Runs PostgreSQL.</param>
    /// <param name="systemFolder">See <see cref="LocalEngineOptions.SystemFolder"/>.</param>
    /// <param name="isNew">The data folder was created just now, so a cluster outside is that of a data folder since removed.</param>
    /// <param name="log">Hears about it.</param>
    /// <param name="cancel">Gives up.</param>
    public static async Task<string> FindFolderAsync(
        DataFolder data, EngineUser user, string systemFolder, bool isNew, ILogger log, CancellationToken cancel)
    {
        if (await user.ReachesAsync(data.Root, cancel))
            return Directory.Exists(data.Postgres) ? Native.RealPath(data.Postgres) : data.Postgres;

        Directory.CreateDirectory(systemFolder);
        systemFolder = Native.RealPath(systemFolder);
        var parent = Path.Combine(systemFolder, data.Root.TrimStart('/'));
        var outside = Path.Combine(parent, "postgres");
        if (Directory.Exists(data.Postgres))
            throw new LocalEngineException(
                $"User {user.Name}, who runs PostgreSQL, cannot reach {data.Postgres}. Move that folder to {outside}, move the " +
                "whole data folder to where that user can reach it and set WATCHWORD_DATA, or run ./run as an ordinary user.");

        Directory.CreateDirectory(parent);
        for (var path = parent; path.Length >= systemFolder.Length; path = Path.GetDirectoryName(path)!)
            File.SetUnixFileMode(path, Everyone);
        if (isNew && Directory.Exists(outside))
        {
            var aside = string.Create(CultureInfo.InvariantCulture, $"{outside}.{DateTime.UtcNow:yyyyMMdd'T'HHmmss}");
            log.ClusterSetAside(outside, aside);
            Directory.Move(outside, aside);
        }

        log.ClusterOutside(user.Name, data.Root, outside);
        return outside;
    }

    /// <summary>The major version of PostgreSQL that created the cluster. Null when there is none yet.</summary>
    public static int? MajorOf(string folder)
    {
        if (!Directory.Exists(folder))
            return null;
        if (!File.Exists(Path.Combine(folder, CompleteMarker)))
            throw new LocalEngineException(
                $"Watchword did not create {folder}. Move it away, or if it is a PostgreSQL cluster, run it yourself and set " +
                "DATABASE_URL and TARGET_DATABASE_URL.");
        var version = AtomicFile.Read(Path.Combine(folder, "PG_VERSION"));
        return int.TryParse(version?.Split('.')[0], CultureInfo.InvariantCulture, out var major)
            ? major
            : throw new LocalEngineException($"{folder}/PG_VERSION is \"{version}\", which is not a version number. Restore the folder from a backup.");
    }

    /// <summary>
    /// Creates the cluster under a temporary name and renames it once it is complete, so that one left by a crash is
    /// never taken for data.
    /// </summary>
    public async Task CreateAsync(string password, CancellationToken cancel)
    {
        var parent = Path.GetDirectoryName(folder)!;
        RemoveIncomplete(parent);
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
            RemoveIncomplete(parent);
            throw;
        }
    }

    /// <summary>PostgreSQL insists on being the owner of its cluster, and the only one who can read it.</summary>
    public async Task CheckOwnerAsync(CancellationToken cancel)
    {
        if (!await user.OwnsAsync(folder, cancel))
            throw new LocalEngineException(
                $"{folder} does not belong to user {user.Name}, who would run PostgreSQL. Run ./run as the same user as before, " +
                $"hand the folder over (sudo chown -R {user.Name} {folder}), or set WATCHWORD_DATA to another folder.");
        if (File.GetUnixFileMode(folder) != OwnerOnly)
            File.SetUnixFileMode(folder, OwnerOnly);
    }

    /// <summary>Sets the role's password without knowing the old one.</summary>
    public Task SetPasswordAsync(string password, CancellationToken cancel) => SetPasswordAsync(folder, password, cancel);

    private static void RemoveIncomplete(string parent)
    {
        foreach (var incomplete in Directory.EnumerateDirectories(parent, "postgres.new-*"))
        {
            try
            {
                Directory.Delete(incomplete, recursive: true);
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
        // C.UTF-8 sorts by code point on every machine, and still maps É to é.
        var locale = OperatingSystem.IsMacOS() ? "en_US.UTF-8" : "C.UTF-8";
        var answer = await InitDbAsync(young, locale, cancel);
        if (answer.ExitCode != 0 && answer.Output.Contains("invalid locale", StringComparison.Ordinal))
            answer = await InitDbAsync(young, "C", cancel);
        if (answer.ExitCode != 0)
            throw new LocalEngineException(
                $"PostgreSQL could not create its cluster in {folder}.{Advice.ForDisk(folder, answer.Output)} Its output:\n{answer.Output}");
    }

    // "trust" is safe here: pg_hba.conf is replaced before the server first listens.
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
            throw new LocalEngineException($"Could not set the password of PostgreSQL role {Role}. The output of postgres:\n{answer.Output}");
    }
}
