using System.ComponentModel;
using System.Diagnostics;
using Watchword.Server.Local;

namespace Watchword.Server.Hosting;

/// <summary>
/// The sample subscribers, a process beside this one. It ends when its standard input does: when it is stopped, and
/// also when this process dies.
/// </summary>
internal sealed class SamplesEngine(string program, Engines engines, TimeSpan patience) : IEngine
{
    private Process? _child;

    public string Name => "sample subscribers";

    public Task<EngineProcess> StartAsync(CancellationToken cancel)
    {
        var start = new ProcessStartInfo("dotnet", [program, "--while-stdin"]) { UseShellExecute = false, RedirectStandardInput = true };
        start.Environment["NATS_URL"] = engines.Endpoints.Nats;
        start.Environment["DATABASE_URL"] = engines.Endpoints.TargetDatabase;
        start.Environment["WATCHWORD_DATA"] = engines.Options.DataFolder;
        // The key to every token is no business of theirs.
        start.Environment.Remove(Configuration.Setting.Secret.Key);
        try
        {
            _child = Process.Start(start)!;
            return Task.FromResult(EngineProcess.OfChild(_child));
        }
        catch (Win32Exception e)
        {
            throw new LocalEngineException($"the sample subscribers cannot be run: {e.Message}", e);
        }
    }

    public async Task StopAsync(EngineProcess process)
    {
        _child!.StandardInput.Close();
        using var limit = new CancellationTokenSource(patience);
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            await process.StopAsync(patience, Native.SigTerm);
        }
    }
}
