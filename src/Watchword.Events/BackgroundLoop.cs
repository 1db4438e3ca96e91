using System.Net.Sockets;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using NATS.Client.Core;
using Npgsql;

namespace Watchword.Events;

/// <summary>
/// Work that goes on as long as the process: whatever interrupts it, it is told of and begun again, after a wait that
/// doubles while it keeps failing. It never takes the process down, whose requests it has no part in.
/// </summary>
public abstract class BackgroundLoop(ILogger logger) : BackgroundService
{
    private static readonly TimeSpan Telling = TimeSpan.FromMilliseconds(100);

    /// <summary>The first wait after an interruption.</summary>
    protected virtual TimeSpan RetryDelayMin => TimeSpan.FromMilliseconds(100);

    /// <summary>The longest wait; who worked longer than this before the interruption waits the shortest again.</summary>
    protected virtual TimeSpan RetryDelayMax => TimeSpan.FromSeconds(10);

    /// <summary>How long a stop waits for it; what hangs longer, as with a database that does not answer, ends with the process. Default 5 s.</summary>
    protected virtual TimeSpan StopPatience => TimeSpan.FromSeconds(5);

    /// <summary>Works until it is cancelled, fails, or has a reason to begin anew.</summary>
    protected abstract Task RunAsync(CancellationToken ct);

    /// <inheritdoc/>
    protected sealed override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var delay = RetryDelayMin;
        while (!stoppingToken.IsCancellationRequested)
        {
            var since = Environment.TickCount64;
            try
            {
                await RunAsync(stoppingToken);
            }
            catch (Exception) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (IsExpected(e))
            {
                logger.LoopInterrupted(GetType().Name, e.Message);
            }
            catch (Exception e)
            {
                logger.LoopFailed(e, GetType().Name);
            }
            if (Environment.TickCount64 - since > RetryDelayMax.TotalMilliseconds)
                delay = RetryDelayMin;
            await Task.Delay(delay, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            delay = TimeSpan.FromTicks(Math.Min(delay.Ticks * 2, RetryDelayMax.Ticks));
        }
    }

    /// <inheritdoc/>
    public sealed override async Task StopAsync(CancellationToken cancellationToken)
    {
        // Not on this thread: while its server hangs, npgsql keeps whoever cancels a statement waiting for half a minute.
        // Otherwise it has been told when this returns.
        var told = new ManualResetEventSlim();
        var stopping = Task.Run(() =>
        {
            var ending = base.StopAsync(cancellationToken);
            told.Set();
            return ending;
        }, CancellationToken.None);
        told.Wait(Telling, CancellationToken.None);
        try
        {
            await stopping.WaitAsync(StopPatience, cancellationToken);
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            logger.LoopLeftBehind(GetType().Name);
        }
    }

    /// <summary>Servers go away and come back; anything else is a fault of ours, and its stack is wanted.</summary>
    protected virtual bool IsExpected(Exception e) =>
        e is NatsException or NpgsqlException or IOException or SocketException or TimeoutException or OperationCanceledException or Postgres.MigrationException;
}
