using System.Diagnostics;

namespace Watchword.Server.Local;

/// <summary>Keeps one engine running until it is disposed, which stops the engine.</summary>
/// <param name="engine">The engine.</param>
/// <param name="log">Hears about deaths and restarts.</param>
/// <param name="changed">Called after each restart, on a pool thread.</param>
internal sealed class EngineSupervisor(IEngine engine, ILogger log, Action changed) : IAsyncDisposable
{
    private static readonly TimeSpan FirstDelay = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LongestDelay = TimeSpan.FromSeconds(30);

    // An engine that ran this long has started well: its death does not count as a failed start.
    private static readonly TimeSpan Settled = TimeSpan.FromSeconds(10);

    private readonly CancellationTokenSource _stopping = new();
    private volatile EngineProcess? _process;
    private Task _supervision = Task.CompletedTask;
    private int _disposed;

    /// <summary>Null while the engine is down.</summary>
    public int? Pid => _process?.Pid;

    public async Task StartAsync(CancellationToken cancel)
    {
        _process = await engine.StartAsync(cancel);
        _supervision = Task.Run(SuperviseAsync, CancellationToken.None);
    }

    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) != 0)
            return;
        await _stopping.CancelAsync();
        await _supervision;
        if (_process is { } process)
        {
            log.EngineStopping(engine.Name, process.Pid);
            await engine.StopAsync(process);
            process.Dispose();
            _process = null;
        }

        _stopping.Dispose();
    }

    private async Task SuperviseAsync()
    {
        try
        {
            var failures = 0;
            while (true)
            {
                var uptime = Stopwatch.StartNew();
                await _process!.WaitForExitAsync(_stopping.Token);
                failures = uptime.Elapsed < Settled ? failures + 1 : 0;
                await ReplaceAsync(failures);
            }
        }
        catch (OperationCanceledException) when (_stopping.IsCancellationRequested)
        {
            // Being disposed.
        }
    }

    private async Task ReplaceAsync(int failures)
    {
        var dead = _process!;
        _process = null;
        log.EngineDied(engine.Name, dead.Pid, Delay(failures - 1));
        dead.Dispose();
        for (var next = await StartAfterAsync(failures - 1); ; next = await StartAfterAsync(++failures))
        {
            if (next is null)
                continue;
            _process = next;
            log.EngineBack(engine.Name, next.Pid);
            TellChanged();
            return;
        }
    }

    private async Task<EngineProcess?> StartAfterAsync(int failures)
    {
        await Task.Delay(Delay(failures), _stopping.Token);
        try
        {
            return await engine.StartAsync(_stopping.Token);
        }
        catch (Exception e) when (!_stopping.IsCancellationRequested)
        {
            log.EngineRestartFailed(e, engine.Name, Delay(failures + 1));
            return null;
        }
    }

    // None at first, then twice as long each time.
    private static TimeSpan Delay(int failures) =>
        failures <= 0 ? TimeSpan.Zero
        : failures >= 8 ? LongestDelay
        : TimeSpan.FromTicks(Math.Min(LongestDelay.Ticks, FirstDelay.Ticks << (failures - 1)));

    private void TellChanged()
    {
        try
        {
            changed();
        }
        catch (Exception e)
        {
            log.ChangedHandlerFailed(e, engine.Name);
        }
    }
}
