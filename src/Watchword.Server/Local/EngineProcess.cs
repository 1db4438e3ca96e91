using System.Diagnostics;

namespace Watchword.Server.Local;

/// <summary>
/// An engine that runs: a child of this process, or one that a killed server left behind and this one adopted.
/// It is alive until it ends; one that is merely suspended is alive.
/// </summary>
internal sealed class EngineProcess : IDisposable
{
    private static readonly TimeSpan AdoptedPoll = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan AfterKill = TimeSpan.FromSeconds(10);

    private readonly Process? _child;
    private readonly ProcessMark? _mark;

    private EngineProcess(int pid, Process? child, ProcessMark? mark)
    {
        (Pid, _child, _mark) = (pid, child, mark);
    }

    public int Pid { get; }
    public bool IsAdopted => _child is null;

    public bool IsAlive => _child is not null ? !_child.HasExited : _mark is not null && ProcessTable.IsAlive(_mark);

    public static EngineProcess OfChild(Process child) => new(child.Id, child, null);

    /// <summary>Takes over a process that is not a child of ours; the caller has proven what it is.</summary>
    public static EngineProcess Adopt(int pid) => new(pid, null, ProcessTable.Look(pid));

    public async Task WaitForExitAsync(CancellationToken cancel)
    {
        if (_child is not null)
        {
            await _child.WaitForExitAsync(cancel);
            return;
        }

        // The system tells nobody but the parent, so this is watched rather than waited for.
        using var timer = new PeriodicTimer(AdoptedPoll);
        while (IsAlive)
            await timer.WaitForNextTickAsync(cancel);
    }

    /// <summary>Stops it: each signal in turn, the next when the patience for the last one is spent; then by force.</summary>
    public async Task StopAsync(TimeSpan patience, params int[] signals)
    {
        foreach (var signal in signals)
            if (await EndsAfterAsync(signal, patience))
                return;
        await EndsAfterAsync(Native.SigKill, AfterKill);
    }

    public void Dispose() => _child?.Dispose();

    private async Task<bool> EndsAfterAsync(int signal, TimeSpan patience)
    {
        if (!IsAlive)
            return true;
        Native.Signal(Pid, signal);
        // A suspended process acts on a signal only once it goes on.
        Native.Signal(Pid, Native.SigCont);
        using var limit = new CancellationTokenSource(patience);
        try
        {
            await WaitForExitAsync(limit.Token);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }
}
