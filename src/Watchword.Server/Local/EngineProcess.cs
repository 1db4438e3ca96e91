using System.Diagnostics;

namespace Watchword.Server.Local;

/// <summary>A running engine, and the watchdog that stops it when this process is killed.</summary>
/// <param name="child">The engine.</param>
/// <param name="watchdog">
/// Stops the engine when its standard input, a pipe from this process, ends without a line. Null for an engine that needs none.
/// </param>
internal sealed class EngineProcess(Process child, Process? watchdog = null) : IDisposable
{
    private static readonly TimeSpan WatchdogPatience = TimeSpan.FromSeconds(1);

    public int Pid { get; } = child.Id;

    public bool HasExited => child.HasExited;

    public Task WaitForExitAsync(CancellationToken cancel) => child.WaitForExitAsync(cancel);

    /// <summary>Sends each signal in turn, and finally SIGKILL, until the process has ended.</summary>
    /// <param name="patience">How long to wait after each signal.</param>
    /// <param name="signals">From mild to harsh.</param>
    public async Task StopAsync(TimeSpan patience, params IReadOnlyList<int> signals)
    {
        if (!HasExited)
            await StopAsync(Pid, WaitForExitAsync, patience, signals);
    }

    /// <summary>Stops any process, child or not. Returns whether it ended.</summary>
    /// <param name="pid">The process.</param>
    /// <param name="exit">Waits until the process has ended.</param>
    /// <param name="patience">How long to wait after each signal.</param>
    /// <param name="signals">From mild to harsh; SIGKILL follows.</param>
    public static async Task<bool> StopAsync(
        int pid, Func<CancellationToken, Task> exit, TimeSpan patience, IReadOnlyList<int> signals)
    {
        foreach (var signal in (int[])[.. signals, Native.SigKill])
        {
            Native.Signal(pid, signal);
            // A suspended process handles a signal only after it has been resumed.
            Native.Signal(pid, Native.SigCont);
            using var limit = new CancellationTokenSource(patience);
            try
            {
                await exit(limit.Token);
                return true;
            }
            catch (OperationCanceledException) when (limit.IsCancellationRequested)
            {
                // Try the next signal.
            }
        }

        return false;
    }

    public void Dispose()
    {
        if (watchdog is not null)
        {
            try
            {
                // The watchdog must not signal a pid that may be reused.
                if (HasExited)
                    watchdog.StandardInput.WriteLine();
                watchdog.StandardInput.Close();
                watchdog.WaitForExit(WatchdogPatience);
            }
            catch (IOException)
            {
                // It has ended.
            }

            watchdog.Dispose();
        }

        child.Dispose();
    }
}
