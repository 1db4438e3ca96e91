using System.Globalization;
using Npgsql;

namespace Watchword.Server.Local;

/// <summary>A private PostgreSQL with the databases <c>watchword</c> and <c>app</c>.</summary>
internal sealed class PostgresEngine(DataFolder data, LocalEngineOptions options, ILogger log)
    : LocalEngine("PostgreSQL", new(Path.Combine(data.Logs, "postgres.log")), options, log)
{
    private const string Program = "postgres";
    private const string Secret = "postgres-password";

    private static readonly string[] Databases = ["watchword", "app"];

    private readonly string _portFile = Path.Combine(data.Root, "postgres.port");
    private Cluster _cluster = null!;
    private string? _password;
    private bool _recovering;

    public string Url(string database) =>
        string.Create(CultureInfo.InvariantCulture, $"postgres://{Cluster.Role}:{_password}@127.0.0.1:{Port}/{database}");

    /// <summary>Fast shutdown: sessions end, data is flushed. Then immediate shutdown, which costs a recovery.</summary>
    protected override IReadOnlyList<(int Number, string Name)> StopSignals => [(Native.SigInt, "INT"), (Native.SigQuit, "QUIT")];

    protected override string PortTaken => "could not create any TCP/IP sockets";

    protected override bool IsRecovering => _recovering;

    public override async Task<EngineProcess> StartAsync(CancellationToken cancel)
    {
        _password = data.ReadSecret(Secret);
        try
        {
            return await base.StartAsync(cancel);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InvalidPassword)
        {
            // The file was edited, or comes from another data folder.
            _password = null;
            return await base.StartAsync(cancel);
        }
    }

    protected override async Task PrepareAsync(CancellationToken cancel)
    {
        var user = await EngineUser.ForPostgresAsync(cancel);
        var folder = await Cluster.FindFolderAsync(data, user, Options.SystemFolder, isNew: data.ReadSecret(Secret) is null, Log, cancel);
        await StopLeftoversAsync(folder, cancel);
        var major = Cluster.MajorOf(folder);
        var programs = await new Programs(Options.ProgramFolders).ChoosePostgresAsync(folder, major, cancel);
        _cluster = new(folder, programs, user, Options.SyncNewCluster, Log);
        if (major is null)
            await _cluster.CreateAsync(_password ??= data.CreateSecret(Secret), cancel);
        else
            await _cluster.CheckOwnerAsync(cancel);
        if (_password is null)
        {
            Log.PasswordReset(Cluster.Role);
            _password = data.CreateSecret(Secret);
            await _cluster.SetPasswordAsync(_password, cancel);
        }
    }

    protected override int ChoosePort()
    {
        if (Port != 0)
            return Ports.IsFree(Port) ? Port : NextFreePort(Port);
        return AtomicFile.ReadNumber(_portFile) is { } kept && Ports.IsFree(kept) ? kept : Ports.Any();
    }

    // No unix socket: its path could be too long, and nobody needs it.
    protected override Launch Describe() => new(
        [
            _cluster.Programs.Postgres, "-D", _cluster.Folder, "-p", Port.ToString(CultureInfo.InvariantCulture),
            "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
        ],
        _cluster.Folder, _cluster.User);

    /// <exception cref="PostgresException">The password is wrong.</exception>
    protected override async Task<bool> IsReadyAsync(EngineProcess process, CancellationToken cancel)
    {
        try
        {
            await CreateDatabasesAsync(cancel);
            AtomicFile.Write(_portFile, Port.ToString(CultureInfo.InvariantCulture));
            return true;
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.CannotConnectNow)
        {
            _recovering = true;
        }
        catch (Exception e) when (e is NpgsqlException and not PostgresException or TimeoutException)
        {
            // It does not listen yet, or has ended.
            _recovering = false;
        }

        return false;
    }

    private async Task StopLeftoversAsync(string folder, CancellationToken cancel)
    {
        var file = Path.Combine(folder, "postmaster.pid");
        var pid = File.Exists(file) && int.TryParse(File.ReadLines(file).FirstOrDefault(), CultureInfo.InvariantCulture, out var number)
            ? number
            : (int?)null;
        await StopLeftoversAsync(Program, folder, pid, cancel);

        // PostgreSQL refuses to start while a process has the pid in this file, whatever that process is. If there is
        // none, PostgreSQL handles the file better itself: it also names the shared memory that must be free.
        if (pid is { } stale && File.Exists(file) && Native.Exists(stale))
        {
            Log.StalePidFileRemoved(file, stale);
            File.Delete(file);
        }
    }

    private async Task CreateDatabasesAsync(CancellationToken cancel)
    {
        await using var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder
        {
            Host = "127.0.0.1",
            Port = Port,
            Username = Cluster.Role,
            Password = _password,
            Database = "postgres",
            Pooling = false,
            Timeout = 5,
            CommandTimeout = 60,
        }.ConnectionString);
        await connection.OpenAsync(cancel);
        foreach (var database in Databases)
        {
            await using var exists = new NpgsqlCommand("SELECT 1 FROM pg_database WHERE datname = $1", connection);
            exists.Parameters.Add(new() { Value = database });
            if (await exists.ExecuteScalarAsync(cancel) is not null)
                continue;
            await using var create = new NpgsqlCommand($"CREATE DATABASE \"{database}\"", connection);
            await create.ExecuteNonQueryAsync(cancel);
        }
    }
}
