using System.Security.Cryptography;
using Watchword.Events.Postgres;
using Watchword.Server.Configuration;
using Watchword.Server.Local;

namespace Watchword.Server.Hosting;

/// <summary>The PostgreSQL and NATS that this process uses: those that the configuration names, else private ones.</summary>
internal sealed class Engines : IAsyncDisposable
{
    private readonly LocalEngines? _local;
    private readonly EndpointsFile _file;

    private Engines(ServerOptions options, LocalEngines? local)
    {
        _local = local;
        _file = new EndpointsFile(options.DataFolder);
        Options = options with
        {
            Database = options.Database ?? DatabaseUrl.ToConnectionString(local!.DatabaseUrl!),
            // The private PostgreSQL comes with a demo target. An operator's own store has a target only if one is named.
            TargetDatabase = options.TargetDatabase ?? (options.Database is null ? DatabaseUrl.ToConnectionString(local!.TargetDatabaseUrl!) : null),
            NatsUrl = options.NatsUrl ?? local!.NatsUrl!,
            Nats = options.NatsUrl is null ? options.Nats with { Url = local!.NatsUrl! } : options.Nats,
            Secret = options.Secret ?? KeptSecret(options.DataFolder),
        };
    }

    /// <summary>The configuration, with all addresses and the secret filled in.</summary>
    public ServerOptions Options { get; }

    /// <exception cref="StartException">An engine cannot be started.</exception>
    public static async Task<Engines> StartAsync(ServerOptions options, ILoggerFactory logs, CancellationToken ct)
    {
        if (!options.NeedsLocalEngines)
            return new(options, null);
        LocalEngines? local = null;
        try
        {
            local = await LocalEngines.StartAsync(new()
            {
                DataFolder = options.DataFolder,
                NatsPort = options.NatsPort ?? LocalEngineOptions.DefaultNatsPort,
                NatsPortAsked = options.NatsPort is not null,
                StartPostgres = options.Database is null,
                StartNats = options.NatsUrl is null,
            }, logs.CreateLogger("Watchword.Server.Local"), ct);
            return new(options, local);
        }
        catch (LocalEngineException e)
        {
            throw new StartException(e.Message, e);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            if (local is not null)
                await local.DisposeAsync();
            throw new StartException($"WATCHWORD_DATA: the folder {options.DataFolder} cannot be written: {e.Message}", e);
        }
    }

    /// <summary>Writes <c>endpoints.json</c>, now and after every restart of an engine.</summary>
    /// <returns>Where everything listens, and the path of the file, which is null when the file belongs to another server.</returns>
    public (Endpoints Endpoints, string? File) Announce()
    {
        if (_local is not null)
            _local.Changed += () => _file.Write(Endpoints);
        var endpoints = Endpoints;
        return (endpoints, _file.Write(endpoints) ? _file.Path : null);
    }

    /// <summary>Where everything listens at this moment.</summary>
    public Endpoints Endpoints => new()
    {
        Http = $"http://{(Options.Host is "localhost" or "0.0.0.0" or "*" ? "127.0.0.1" : Options.Host)}:{Options.Port}",
        Nats = _local?.NatsUrl ?? Options.NatsUrl!,
        Database = _local?.DatabaseUrl ?? DatabaseUrl.ToUrl(Options.Database!),
        TargetDatabase = Options.TargetDatabase is null ? "" : DatabaseUrl.ToUrl(Options.TargetDatabase),
        NatsPid = _local?.NatsPid,
        PostgresPid = _local?.PostgresPid,
    };

    public async ValueTask DisposeAsync()
    {
        _file.Remove();
        if (_local is not null)
            await _local.DisposeAsync();
    }

    // Tokens must survive a restart without anyone having to configure a secret.
    private static string KeptSecret(string dataFolder)
    {
        var path = Path.Combine(dataFolder, "secret");
        if (AtomicFile.Read(path) is { Length: >= 32 } kept)
            return kept;
        var made = Convert.ToBase64String(RandomNumberGenerator.GetBytes(32));
        AtomicFile.Write(path, made);
        return made;
    }
}
