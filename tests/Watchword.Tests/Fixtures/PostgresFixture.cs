using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Watchword.Events.Postgres;
using Watchword.Server.Store;
using Watchword.UserSync;

[assembly: AssemblyFixture(typeof(Watchword.Tests.PostgresFixture))]

namespace Watchword.Tests;

/// <summary>One real PostgreSQL for the run; each test gets a database cloned from a template.</summary>
public sealed class PostgresFixture : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("watchword-pg-").FullName;
    private readonly int _port = TestPorts.Free();
    private Process? _server;
    private int _clones;

    public async ValueTask InitializeAsync()
    {
        var bin = FindBinaries();
        if (User is not null)
            await RunAsync(null, "chown", User, _folder);
        await RunAsync(User, Path.Combine(bin, "initdb"), "--no-instructions", "-D", _folder + "/data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync");
        // Durability is not what the tests are about: the machine does not lose power in a run.
        _server = await ChildProcess.StartAsAsync(User, Path.Combine(bin, "postgres"), "-D", _folder + "/data", "-p", $"{_port}",
            "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off",
            "-c", "full_page_writes=off", "-c", "log_min_messages=fatal", "-c", "max_connections=300", "-c", "shared_buffers=128MB");
        await WaitUntilReadyAsync();
        await using var postgres = NpgsqlDataSource.Create(ConnectionString("postgres"));
        foreach (var template in (string[])["identity_template", "target_template"])
            await postgres.CreateCommand($"CREATE DATABASE {template}").ExecuteNonQueryAsync();
        await using (var identity = NpgsqlDataSource.Create(ConnectionString("identity_template", pooling: false)))
            await IdentitySchema.ApplyAsync(identity, "public", NullLogger.Instance);
        await using (var target = NpgsqlDataSource.Create(ConnectionString("target_template", pooling: false)))
            await MigrationRunner.ApplyAsync(target, UserSyncSchema.Migrations, NullLogger.Instance);
    }

    /// <summary>A database of the identity server with the newest schema, for one test.</summary>
    public Task<TestDatabase> IdentityAsync() => CloneAsync("identity_template");

    /// <summary>A target of user sync, for one test.</summary>
    public Task<TestDatabase> TargetAsync() => CloneAsync("target_template");

    /// <summary>An empty database, for one test.</summary>
    public Task<TestDatabase> EmptyAsync() => CloneAsync("template0");

    private async Task<TestDatabase> CloneAsync(string template)
    {
        var name = $"t{Interlocked.Increment(ref _clones)}";
        await using var postgres = NpgsqlDataSource.Create(ConnectionString("postgres", pooling: false));
        await using var create = postgres.CreateCommand($"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY");
        await create.ExecuteNonQueryAsync();
        return new TestDatabase(ConnectionString(name));
    }

    private string ConnectionString(string database, bool pooling = true) =>
        $"Host=127.0.0.1;Port={_port};Username=postgres;Database={database};Maximum Pool Size=20;Pooling={pooling};Include Error Detail=true";

    private async Task WaitUntilReadyAsync()
    {
        await using var postgres = NpgsqlDataSource.Create(ConnectionString("postgres", pooling: false));
        for (var deadline = Stopwatch.StartNew(); ;)
        {
            try
            {
                await using var connection = await postgres.OpenConnectionAsync();
                return;
            }
            catch (NpgsqlException) when (deadline.Elapsed < TimeSpan.FromSeconds(30) && !_server!.HasExited)
            {
                await Task.Delay(50);
            }
        }
    }

    public async ValueTask DisposeAsync()
    {
        if (_server is { HasExited: false } server)
        {
            server.Kill();
            await server.WaitForExitAsync();
        }
        _server?.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static string FindBinaries() =>
        Directory.Exists("/usr/lib/postgresql")
            ? Directory.GetDirectories("/usr/lib/postgresql").Select(d => d + "/bin").Where(d => File.Exists(d + "/postgres"))
                .OrderByDescending(d => d, StringComparer.Ordinal).FirstOrDefault() ?? throw Missing()
            : Environment.GetEnvironmentVariable("PATH")!.Split(':').FirstOrDefault(d => File.Exists(d + "/postgres")) ?? throw Missing();

    private static InvalidOperationException Missing() =>
        new("PostgreSQL's server is not installed: `apt-get install postgresql` (./test does it where it may)");

    // PostgreSQL refuses to run as root.
    private static string? User => Environment.UserName == "root" ? "postgres" : null;

    private static async Task RunAsync(string? user, string file, params string[] arguments)
    {
        using var process = await ChildProcess.StartAsAsync(user, file, arguments);
        await process.WaitForExitAsync();
        if (process.ExitCode != 0)
            throw new InvalidOperationException($"{file} ended with exit code {process.ExitCode}");
    }
}
