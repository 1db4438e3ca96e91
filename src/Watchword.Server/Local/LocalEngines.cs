using Npgsql;

namespace Watchword.Server.Local;

/// <summary>
/// A private PostgreSQL and a private nats-server for one machine: started, kept running, and stopped with the server.
/// Both are the real programs, so a laptop runs what production runs.
/// </summary>
internal sealed class LocalEngines : IAsyncDisposable
{
    private readonly DataFolder _data;
    private readonly PostgresEngine? _postgres;
    private readonly NatsEngine? _nats;
    private readonly EngineSupervisor? _postgresSupervisor;
    private readonly EngineSupervisor? _natsSupervisor;
    private int _disposed;

    private LocalEngines(LocalEngineOptions options, DataFolder data, ILogger log)
    {
        _data = data;
        if (options.StartPostgres)
        {
            _postgres = new(data, options, log);
            _postgresSupervisor = new(_postgres, log, () => Changed?.Invoke());
        }

        if (options.StartNats)
        {
            _nats = new(data, options, log);
            _natsSupervisor = new(_nats, log, () => Changed?.Invoke());
        }
    }

    /// <summary>An engine came back after it died, with another pid and perhaps another port. Raised on a pool thread.</summary>
    public event Action? Changed;

    /// <summary>The data folder, free of symbolic links.</summary>
    public string DataFolder => _data.Root;

    public string? DatabaseUrl => _postgres?.Url("watchword");
    public string? TargetDatabaseUrl => _postgres?.Url("app");
    public string? NatsUrl => _nats?.Url;

    /// <summary>Null when there is no private PostgreSQL, or it is down at this moment.</summary>
    public int? PostgresPid => _postgresSupervisor?.Pid;

    /// <summary>Null when there is no private nats-server, or it is down at this moment.</summary>
    public int? NatsPid => _natsSupervisor?.Pid;

    /// <summary>Returns when both engines are ready.</summary>
    /// <exception cref="LocalEngineException">An engine cannot be started. None is left running.</exception>
    public static async Task<LocalEngines> StartAsync(LocalEngineOptions options, ILogger log, CancellationToken cancel)
    {
        var data = Local.DataFolder.Open(options.DataFolder);
        var engines = new LocalEngines(options, data, log);
        try
        {
            // A killed server left it.
            File.Delete(new EndpointsFile(data.Root).Path);
            foreach (var supervisor in engines.Supervisors)
                await supervisor.StartAsync(cancel);
            return engines;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or NpgsqlException)
        {
            await engines.DisposeAsync();
            throw new LocalEngineException(
                $"The local engines cannot start: {e.Message}{Advice.ForDisk(data.Root, e.Message)}", e);
        }
        catch
        {
            await engines.DisposeAsync();
            throw;
        }
    }

    /// <summary>Stops both engines, and frees the data folder for another server.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        try
        {
            await Task.WhenAll(Supervisors.Select(supervisor => supervisor.DisposeAsync().AsTask()));
        }
        finally
        {
            _data.Dispose();
        }
    }

    // nats-server first: it is up in a moment, and a port that is taken is reported at once.
    private IEnumerable<EngineSupervisor> Supervisors => new[] { _natsSupervisor, _postgresSupervisor }.OfType<EngineSupervisor>();
}
