using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Watchword.Events.JetStream;
using Watchword.Events.Postgres;
using Watchword.Server.Local;
using Watchword.Server.Store;
using Watchword.Tests;
using Watchword.UserSync;

namespace Watchword.Bench;

/// <summary>A real PostgreSQL with its default durability and a real nats-server, in a temporary folder.</summary>
internal sealed class Workbench : IAsyncDisposable
{
    private readonly TemporaryFolder _folder;
    private readonly LocalEngines _postgres;
    private readonly List<NpgsqlDataSource> _sources = [];

    private Workbench(TemporaryFolder folder, LocalEngines postgres) => (_folder, _postgres) = (folder, postgres);

    public NatsServer Nats { get; } = new();

    public static async Task<Workbench> StartAsync(CancellationToken ct)
    {
        var folder = new TemporaryFolder();
        LocalEngines postgres;
        try
        {
            postgres = await LocalEngines.StartAsync(
                new()
                {
                    DataFolder = folder.Path,
                    StartNats = false,
                    SyncNewCluster = false,
                    SystemFolder = Path.Combine(folder.Path, "system"),
                },
                NullLogger.Instance, ct);
        }
        catch
        {
            folder.Dispose();
            throw;
        }
        var bench = new Workbench(folder, postgres);
        try
        {
            await bench.Nats.StartAsync();
            return bench;
        }
        catch
        {
            await bench.DisposeAsync();
            throw;
        }
    }

    /// <summary>A connection to <see cref="Nats"/>, open.</summary>
    public async Task<JetStreamClient> ConnectAsync(CancellationToken ct)
    {
        var nats = JetStreamClient.Connect(new() { Url = Nats.Url });
        await nats.WaitUntilOpenAsync(ct);
        return nats;
    }

    public string ConnectionString(string database) =>
        new NpgsqlConnectionStringBuilder(DatabaseUrl.ToConnectionString(_postgres.DatabaseUrl!)) { Database = database }.ConnectionString;

    /// <summary>A connection pool with the server's settings; the workbench closes it.</summary>
    public NpgsqlDataSource Open(string database)
    {
        var source = IdentityDatabase.Open(ConnectionString(database), "watchword-bench");
        _sources.Add(source);
        return source;
    }

    /// <summary>A new database with the schema of an identity store.</summary>
    public async Task<NpgsqlDataSource> IdentityAsync(string name, CancellationToken ct)
    {
        var source = await CreateAsync(name, "template1", ct);
        await IdentitySchema.ApplyAsync(source, "public", NullLogger.Instance, ct);
        return source;
    }

    /// <summary>A new database with the schema of a target.</summary>
    public async Task<NpgsqlDataSource> TargetAsync(string name, CancellationToken ct)
    {
        var source = await CreateAsync(name, "template1", ct);
        await MigrationRunner.ApplyAsync(source, UserSyncSchema.Migrations, NullLogger.Instance, ct);
        return source;
    }

    /// <summary>A new database with nothing in it.</summary>
    public Task<NpgsqlDataSource> EmptyAsync(string name, CancellationToken ct) => CreateAsync(name, "template1", ct);

    /// <summary>A copy of one of the workbench's databases, whose connections are closed first.</summary>
    public async Task<NpgsqlDataSource> CopyAsync(NpgsqlDataSource original, string name, CancellationToken ct)
    {
        original.Clear();
        var from = new NpgsqlConnectionStringBuilder(original.ConnectionString).Database!;
        return await CreateAsync(name, from, ct);
    }

    public async Task DropAsync(NpgsqlDataSource source, CancellationToken ct)
    {
        source.Clear();
        await RunAsync(string.Create(CultureInfo.InvariantCulture, $"DROP DATABASE {new NpgsqlConnectionStringBuilder(source.ConnectionString).Database} WITH (FORCE)"), ct);
    }

    private async Task<NpgsqlDataSource> CreateAsync(string name, string template, CancellationToken ct)
    {
        await RunAsync($"CREATE DATABASE {name} TEMPLATE {template} STRATEGY FILE_COPY", ct);
        return Open(name);
    }

    private async Task RunAsync(string sql, CancellationToken ct)
    {
        await using var connection = new NpgsqlConnection(ConnectionString("postgres") + ";Pooling=false");
        await connection.OpenAsync(ct);
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 120 };
        await command.ExecuteNonQueryAsync(ct);
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var source in _sources)
            await source.DisposeAsync();
        await Nats.DisposeAsync();
        await _postgres.DisposeAsync();
        _folder.Dispose();
    }
}

/// <summary>A folder that is deleted with its content.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    // Not CreateTempSubdirectory: that keeps other users out, and PostgreSQL may run as another user.
    public TemporaryFolder() => Directory.CreateDirectory(Path);

    public string Path { get; } = System.IO.Path.Combine(System.IO.Path.GetTempPath(), "watchword-bench-" + Guid.NewGuid().ToString("N")[..12]);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
