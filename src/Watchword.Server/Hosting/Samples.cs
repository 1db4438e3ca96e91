using Watchword.Server.Configuration;
using Watchword.Server.Local;

namespace Watchword.Server.Hosting;

/// <summary>Keeps the sample subscribers running beside the server (<c>./run --samples</c>).</summary>
internal sealed class Samples(Engines engines, string program, ILoggerFactory logs) : IHostedService, IAsyncDisposable
{
    private readonly EngineSupervisor _supervisor = new(new SamplesEngine(program, engines), logs.CreateLogger("Watchword.Server.Local"), () => { });

    /// <summary>Checks that the sample subscribers can be started, if they are asked for.</summary>
    /// <exception cref="StartException">They have not been built, or have no database.</exception>
    public static void Check(ServerOptions options)
    {
        if (options.Samples is null)
            return;
        if (!File.Exists(options.Samples))
            throw new StartException($"{Setting.Samples.Key} is '{options.Samples}': there is no such program; ./run {Setting.Samples.Option} builds it");
        if (options.TargetDatabase is null)
            throw new StartException($"the sample subscribers need a database: set {Setting.TargetDatabaseUrl.Key}");
    }

    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await _supervisor.StartAsync(cancellationToken);
        logs.CreateLogger<Samples>().SamplesStarted(_supervisor.Pid ?? 0, Path.Combine(engines.Options.DataFolder, "mail"));
    }

    public async Task StopAsync(CancellationToken cancellationToken) => await DisposeAsync();

    public ValueTask DisposeAsync() => _supervisor.DisposeAsync();
}
