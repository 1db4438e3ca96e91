using Npgsql;

namespace Watchword.Server.Local;

/// <summary>
/// A private PostgreSQL and a private nats-server for one machine: started or adopted, kept running, stopped with the
/// server. Both are the real programs, so what runs on a laptop is what runs in production.
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

    /// <summary>An engine came back after it died: its pid changed, and perhaps its port. Raised on a pool thread.</summary>
    public event Action? Changed;

    /// <summary>The data folder, every symbolic link in its path followed.</summary>
    public string DataFolder => _data.Root;

    public string? DatabaseUrl => _postgres?.Url("watchword");
    public string? TargetDatabaseUrl => _postgres?.Url("app");
    public string? NatsUrl => _nats?.Url;

    /// <summary>Null when the engine is not ours, or down at this moment.</summary>
    public int? PostgresPid => _postgresSupervisor?.Pid;

    public int? NatsPid => _natsSupervisor?.Pid;

    /// <summary>Returns when both engines answer; throws <see cref="LocalEngineException"/> and leaves nothing running otherwise.</summary>
    public static async Task<LocalEngines> StartAsync(LocalEngineOptions options, ILogger log, CancellationToken cancel)
    {
        var data = Local.DataFolder.Open(options.DataFolder);
        var engines = new LocalEngines(options, data, log);
        try
        {
            // What a killed server wrote there no longer holds.
            File.Delete(new EndpointsFile(data.Root).Path);
            await engines.StartAllAsync(cancel);
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
            await Task.WhenAll(Supervisors().Select(supervisor => supervisor.DisposeAsync().AsTask()));
        }
        finally
        {
            _data.Dispose();
        }
    }

    private async Task StartAllAsync(CancellationToken cancel)
    {
        using var together = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        var starts = Supervisors().Select(supervisor => StartOneAsync(supervisor, together)).ToList();
        try
        {
            await Task.WhenAll(starts);
        }
        catch (Exception)
        {
            // The reason is the failure, not the cancellation of the other engine that it caused.
            cancel.ThrowIfCancellationRequested();
            if (starts.Find(start => start.IsFaulted) is { } failed)
                await failed;
            throw;
        }
    }

    private static async Task StartOneAsync(EngineSupervisor supervisor, CancellationTokenSource together)
    {
        try
        {
            await supervisor.StartAsync(together.Token);
        }
        catch
        {
            await together.CancelAsync();
            throw;
        }
    }

    private IEnumerable<EngineSupervisor> Supervisors()
    {
        if (_postgresSupervisor is not null)
            yield return _postgresSupervisor;
        if (_natsSupervisor is not null)
            yield return _natsSupervisor;
    }
}
