using System.Net.Sockets;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using NATS.Client.Core;
using Npgsql;

namespace Watchword.Events;

/// <summary>
/// Background work for the life of the process. Failures are logged and the loop restarts with back-off; it never stops the
/// host.
/// </summary>
public abstract class BackgroundLoop(ILogger logger) : BackgroundService
{
    private static readonly TimeSpan SignalPatience = TimeSpan.FromMilliseconds(100);

    /// <summary>The first wait before a restart.</summary>
    protected virtual TimeSpan RetryDelayMin => TimeSpan.FromMilliseconds(100);

    /// <summary>The longest wait before a restart. After a run that lasted longer the first wait is the shortest again.</summary>
    protected virtual TimeSpan RetryDelayMax => TimeSpan.FromSeconds(10);

    /// <summary>How long a stop waits for the loop. One that hangs longer, as on a database that does not answer, ends with the process. Default 5 s.</summary>
    protected virtual TimeSpan StopPatience => TimeSpan.FromSeconds(5);

    /// <summary>Works until it is cancelled or fails; when it returns, it is called again.</summary>
    protected abstract Task RunAsync(CancellationToken ct);

    /// <inheritdoc/>
    protected sealed override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var backoff = new Backoff(RetryDelayMin, RetryDelayMax);
        while (!stoppingToken.IsCancellationRequested)
        {
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
            await backoff.WaitAsync(stoppingToken);
        }
    }

    /// <inheritdoc/>
    public sealed override async Task StopAsync(CancellationToken cancellationToken)
    {
        // On another thread: while the database hangs, npgsql blocks whoever cancels a statement for half a minute.
        var signalled = new ManualResetEventSlim();
        var stopping = Task.Run(() =>
        {
            var ending = base.StopAsync(cancellationToken);
            signalled.Set();
            return ending;
        }, CancellationToken.None);
        signalled.Wait(SignalPatience, CancellationToken.None);
        try
        {
            await stopping.WaitAsync(StopPatience, cancellationToken);
        }
        catch (Exception e) when (e is TimeoutException or OperationCanceledException)
        {
            logger.LoopLeftBehind(GetType().Name);
        }
    }

    /// <summary>Whether the failure is an unreachable server, and not a bug whose stack trace is wanted.</summary>
    protected virtual bool IsExpected(Exception e) =>
        e is NatsException or NpgsqlException or IOException or SocketException or TimeoutException or OperationCanceledException or Postgres.MigrationException;
}
