using System.Diagnostics;

namespace Watchword.Server.Local;

/// <summary>A running engine: a child process whose standard input is a pipe from this process.</summary>
/// <remarks>
/// The pipe must stay open while the engine runs. Its end, also when this process is killed, tells the engine's watchdog
/// (see <see cref="Command.StartEngine"/>) to stop the engine.
/// </remarks>
internal sealed class EngineProcess(Process child) : IDisposable
{
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
        try
        {
            // A line before the end of the pipe tells the watchdog that the engine has ended: its pid may be reused.
            if (HasExited)
                child.StandardInput.WriteLine();
            child.StandardInput.Close();
        }
        catch (IOException)
        {
            // The watchdog has ended too.
        }

        child.Dispose();
    }
}
