using System.ComponentModel;
using System.Diagnostics;
using Watchword.Server.Local;

namespace Watchword.Server.Hosting;

/// <summary>The sample subscribers, as a child process. It ends when its standard input does, so it never outlives this one.</summary>
internal sealed class SamplesEngine(string program, Engines engines) : IEngine
{
    private static readonly TimeSpan StopTimeout = TimeSpan.FromSeconds(15);

    public string Name => "sample subscribers";

    public Task<EngineProcess> StartAsync(CancellationToken cancel)
    {
        string[] command = [.. Command.OwnSession, "dotnet", program, "--while-stdin"];
        var start = new ProcessStartInfo(command[0], command[1..]) { UseShellExecute = false, RedirectStandardInput = true };
        start.Environment["NATS_URL"] = engines.Endpoints.Nats;
        start.Environment["DATABASE_URL"] = engines.Endpoints.TargetDatabase;
        start.Environment["WATCHWORD_DATA"] = engines.Options.DataFolder;
        // They have no use for the key that signs tokens.
        start.Environment.Remove(Configuration.Setting.Secret.Key);
        try
        {
            return Task.FromResult(new EngineProcess(Process.Start(start)!));
        }
        catch (Win32Exception e)
        {
            throw new LocalEngineException($"The sample subscribers cannot be run: {e.Message}", e);
        }
    }

    public Task StopAsync(EngineProcess process) => process.StopAsync(StopTimeout, Native.SigTerm);
}
