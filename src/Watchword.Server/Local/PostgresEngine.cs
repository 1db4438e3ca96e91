using System.Diagnostics;
using System.Globalization;
using Npgsql;

namespace Watchword.Server.Local;

/// <summary>A private PostgreSQL: adopted when one of ours runs already, else started; ready when handed over.</summary>
internal sealed class PostgresEngine(DataFolder data, LocalEngineOptions options, ILogger log) : IEngine
{
    private const string Program = "postgres";
    private const string PortFile = "postgres.port";
    private const string Secret = "postgres-password";
    private const int PortAttempts = 20;

    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan AdoptionPatience = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan RecoveryPatience = TimeSpan.FromMinutes(30);
    private static readonly string[] Databases = ["watchword", "app"];

    private readonly EngineLog _output = new(Path.Combine(data.Logs, "postgres.log"));
    private string _password = "";

    public string Name => "PostgreSQL";
    public int Port { get; private set; }

    public string Url(string database) =>
        string.Create(CultureInfo.InvariantCulture, $"postgres://{Cluster.Role}:{_password}@127.0.0.1:{Port}/{database}");

    public async Task<EngineProcess> StartAsync(CancellationToken cancel)
    {
        var user = await EngineUser.ForPostgresAsync(data.Postgres, cancel);
        var place = new ClusterPlace(data, user, options.SystemFolder, log);
        var folder = await place.FindAsync(cancel);
        if (await AdoptAsync(folder, cancel) is { } adopted)
            return adopted;

        folder = await place.RelocateAsync(folder, cancel);
        place.SetOrphanAside(folder);
        var cluster = await PrepareAsync(folder, user, cancel);
        place.Link(folder);
        _output.Prepare();
        return await LaunchAsync(cluster, cancel);
    }

    /// <summary>Fast shutdown first: sessions end, data is written out. Then without the writing, which costs a recovery.</summary>
    public Task StopAsync(EngineProcess process) =>
        process.StopAsync(options.StopTimeout, Native.SigInt, Native.SigQuit);

    private async Task<EngineProcess?> AdoptAsync(string folder, CancellationToken cancel)
    {
        var note = PostmasterFile.Read(folder);
        var named = note is null ? null : ProcessTable.Look(note.Pid);
        if (note is not null && named is not null && ProcessTable.Runs(note.Pid, Program, folder))
        {
            var process = EngineProcess.Adopt(note.Pid);
            if (await IsHealthyAsync(process, note, cancel))
            {
                await CreateDatabasesAsync(cancel); // The earlier server may have been killed before it came to that.
                log.EngineAdopted(Name, note.Pid, Port);
                return process;
            }

            log.EngineReplaced(Name, note.Pid, "it does not answer");
            await StopAsync(process);
            named = null;
        }

        await StopStraysAsync(folder, note?.Pid);
        if (note is not null && File.Exists(note.Path) && (named is not null || await IsUnreapedAsync(note.Pid, cancel)))
        {
            // PostgreSQL takes any process of that id for its predecessor, and would refuse to start. With one that is
            // gone it deals itself, and better: the file also names the shared memory that must be free.
            log.StalePidFileRemoved(note.Path, note.Pid);
            File.Delete(note.Path);
        }

        return null;
    }

    /// <summary>Dead, but not yet taken note of by whoever inherited it: mostly a matter of moments.</summary>
    private static async Task<bool> IsUnreapedAsync(int pid, CancellationToken cancel)
    {
        for (var clock = Stopwatch.StartNew(); Native.Exists(pid); await Task.Delay(Poll, cancel))
            if (clock.Elapsed > TimeSpan.FromSeconds(2))
                return true;
        return false;
    }

    private async Task<bool> IsHealthyAsync(EngineProcess process, PostmasterFile note, CancellationToken cancel)
    {
        if (note.Port is not { } port || data.ReadSecret(Secret) is not { } password)
            return false;
        (Port, _password) = (port, password);
        try
        {
            return await AnswersAsync(process, AdoptionPatience, AdoptionPatience, cancel) == Answer.Ready;
        }
        catch (LocalEngineException)
        {
            return false;
        }
    }

    /// <summary>Sessions that outlive their killed server hold its shared memory, and a new one cannot start beside them.</summary>
    private async Task StopStraysAsync(string folder, int? hint)
    {
        var strays = ProcessTable.Find(Program, folder, hint);
        if (strays.Count == 0)
            return;
        log.StraysStopped(strays.Count, folder);
        // Those that serve another stray end with it.
        var heads = strays.Where(pid => ProcessTable.ParentOf(pid) is not { } parent || !strays.Contains(parent));
        await Task.WhenAll(heads.Concat(strays).Distinct().Select(async pid =>
        {
            using var process = EngineProcess.Adopt(pid);
            await process.StopAsync(TimeSpan.FromSeconds(5), Native.SigQuit);
        }));
    }

    private async Task<Cluster> PrepareAsync(string folder, EngineUser user, CancellationToken cancel)
    {
        var major = Cluster.MajorOf(folder, log);
        var programs = await new Programs(options.ProgramFolders).ChoosePostgresAsync(folder, major, cancel);
        var cluster = new Cluster(folder, programs, user, options.SyncNewCluster, log);
        var password = data.ReadSecret(Secret);
        if (major is null)
        {
            _password = password ?? data.CreateSecret(Secret);
            await cluster.CreateAsync(_password, cancel);
            return cluster;
        }

        await cluster.RepairOwnerAsync(cancel);
        _password = password ?? await ResetPasswordAsync(cluster, cancel);
        return cluster;
    }

    private async Task<string> ResetPasswordAsync(Cluster cluster, CancellationToken cancel)
    {
        log.PasswordReset(Cluster.Role);
        var password = data.ReadSecret(Secret) ?? data.CreateSecret(Secret);
        await cluster.SetPasswordAsync(password, cancel);
        return password;
    }

    private async Task<EngineProcess> LaunchAsync(Cluster cluster, CancellationToken cancel)
    {
        Port = data.ReadNumber(PortFile) is { } kept && Ports.IsFree(kept) ? kept : Ports.Any();
        var passwordIsNew = false;
        for (var attempt = 1; ; attempt++)
        {
            log.EngineStarting(Name, cluster.Programs.Major.ToString(CultureInfo.InvariantCulture), Port, cluster.Folder);
            var mark = _output.Mark();
            var process = EngineProcess.OfChild(Command.StartDetached(
                cluster.Programs.Postgres, Arguments(cluster.Folder), "/", _output, cluster.User));
            try
            {
                var answer = await AnswersAsync(process, options.StartTimeout, RecoveryPatience, cancel);
                if (answer == Answer.Ready)
                {
                    await CreateDatabasesAsync(cancel);
                    data.WriteNumber(PortFile, Port);
                    log.EngineReady(Name, Port, process.Pid);
                    return process;
                }

                await StopAsync(process);
                if (answer == Answer.WrongPassword && !passwordIsNew)
                {
                    await ResetPasswordAsync(cluster, cancel);
                    passwordIsNew = true;
                    continue;
                }

                var words = _output.Since(mark);
                if (attempt >= PortAttempts || !words.Contains("could not create any TCP/IP sockets", StringComparison.Ordinal))
                    throw Advice.EngineFailed(Name, cluster.Folder, _output, words);
                MovePort();
            }
            catch
            {
                await StopAsync(process);
                throw;
            }
        }
    }

    // It makes the cluster its working directory by itself, as the user who can enter it. No unix socket: its path could
    // be too long, and nobody needs it.
    private string[] Arguments(string folder) =>
    [
        "-D", folder, "-p", Port.ToString(CultureInfo.InvariantCulture),
        "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=",
    ];

    private void MovePort()
    {
        var taken = Port;
        Port = Ports.Any();
        log.PortMoved(Name, taken, Ports.DescribeListener(taken), Port);
    }

    private enum Answer
    {
        Ready,
        Ended,
        WrongPassword,
    }

    private async Task<Answer> AnswersAsync(
        EngineProcess process, TimeSpan patience, TimeSpan recoveryPatience, CancellationToken cancel)
    {
        var clock = Stopwatch.StartNew();
        var recovering = false;
        while (clock.Elapsed < (recovering ? recoveryPatience : patience))
        {
            if (!process.IsAlive)
                return Answer.Ended;
            try
            {
                await using var connection = await ConnectAsync(cancel);
                return Answer.Ready;
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.CannotConnectNow)
            {
                if (!recovering && clock.Elapsed > TimeSpan.FromSeconds(2))
                {
                    log.Recovering();
                    recovering = true;
                }
            }
            catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InvalidPassword)
            {
                return process.IsAlive ? Answer.WrongPassword : Answer.Ended;
            }
            catch (Exception e) when (e is NpgsqlException or TimeoutException)
            {
                // Not listening yet.
            }

            await Task.Delay(Poll, cancel);
        }

        throw new LocalEngineException(
            $"{Name} (pid {process.Pid}) did not answer on 127.0.0.1:{Port} within {clock.Elapsed.TotalSeconds:F0} s. Its log is {_output.Path}");
    }

    private async Task CreateDatabasesAsync(CancellationToken cancel)
    {
        await using var connection = await ConnectAsync(cancel);
        foreach (var database in Databases)
        {
            await using var exists = new NpgsqlCommand("SELECT 1 FROM pg_database WHERE datname = $1", connection);
            exists.Parameters.Add(new() { Value = database });
            if (await exists.ExecuteScalarAsync(cancel) is not null)
                continue;
            await using var create = connection.CreateCommand();
            create.CommandText = $"CREATE DATABASE \"{database}\"";
            await create.ExecuteNonQueryAsync(cancel);
        }
    }

    private async Task<NpgsqlConnection> ConnectAsync(CancellationToken cancel)
    {
        var connection = new NpgsqlConnection(new NpgsqlConnectionStringBuilder
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
        try
        {
            await connection.OpenAsync(cancel);
            return connection;
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }
}
