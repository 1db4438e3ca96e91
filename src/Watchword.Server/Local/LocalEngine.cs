using System.Diagnostics;

namespace Watchword.Server.Local;

/// <summary>What the two private engines have in common: launch, wait until ready, and try another port if theirs is taken.</summary>
internal abstract class LocalEngine(string name, EngineLog output, LocalEngineOptions options, ILogger log) : IEngine
{
    private const int PortAttempts = 20;

    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(25);

    protected sealed record Launch(IReadOnlyList<string> Command, string Folder, EngineUser User);

    public string Name => name;

    protected LocalEngineOptions Options => options;
    protected ILogger Log => log;

    /// <summary>Kept across restarts if possible, because clients know it. 0 before the first start.</summary>
    public int Port { get; private set; }

    /// <summary>The first is sent by the watchdog too: the engine's clean and prompt stop.</summary>
    protected abstract IReadOnlyList<(int Number, string Name)> StopSignals { get; }

    /// <summary>What the engine writes to its log when its port is taken.</summary>
    protected abstract string PortTaken { get; }

    /// <summary>The engine reports that it is recovering from a crash. It gets as long as it needs.</summary>
    protected virtual bool IsRecovering => false;

    public virtual async Task<EngineProcess> StartAsync(CancellationToken cancel)
    {
        await PrepareAsync(cancel);
        output.Prepare();
        for (var attempt = 1; ; attempt++)
        {
            Port = ChoosePort();
            var launch = Describe();
            log.EngineStarting(Name, Port, launch.Folder);
            var mark = output.Mark();
            var process = Command.StartEngine(launch.Command, launch.Folder, output, StopSignals[0].Name, launch.User);
            try
            {
                if (await BecomesReadyAsync(process, cancel))
                {
                    log.EngineReady(Name, Port, process.Pid);
                    return process;
                }

                var words = output.Since(mark);
                if (attempt == PortAttempts || !words.Contains(PortTaken, StringComparison.Ordinal))
                    throw Advice.EngineFailed(Name, launch.Folder, output, words);
            }
            catch
            {
                await StopAsync(process);
                process.Dispose();
                throw;
            }

            process.Dispose();
        }
    }

    public Task StopAsync(EngineProcess process) => process.StopAsync(options.StopTimeout, Signals);

    /// <summary>Finds the program, stops leftovers, and brings the data on disk into shape.</summary>
    protected abstract Task PrepareAsync(CancellationToken cancel);

    protected abstract int ChoosePort();

    /// <summary>The command that listens on <see cref="Port"/>.</summary>
    protected abstract Launch Describe();

    /// <summary>Asks the engine once whether it is ready.</summary>
    protected abstract Task<bool> IsReadyAsync(EngineProcess process, CancellationToken cancel);

    protected Task StopLeftoversAsync(string program, string folder, int? named, CancellationToken cancel) =>
        Leftovers.StopAsync(program, folder, named, options.StopTimeout, Signals, log, cancel);

    protected int NextFreePort(int taken)
    {
        var next = Ports.From(taken + 1);
        log.PortMoved(Name, taken, next);
        return next;
    }

    private int[] Signals => [.. StopSignals.Select(signal => signal.Number)];

    private async Task<bool> BecomesReadyAsync(EngineProcess process, CancellationToken cancel)
    {
        for (var clock = Stopwatch.StartNew(); IsRecovering || clock.Elapsed < options.StartTimeout; await Task.Delay(Poll, cancel))
        {
            if (process.HasExited)
                return false;
            if (await IsReadyAsync(process, cancel))
                return true;
        }

        throw new LocalEngineException(
            $"{Name} (pid {process.Pid}) did not answer on 127.0.0.1:{Port} within {options.StartTimeout.TotalSeconds:F0} s. See its log, {output.Path}");
    }
}
