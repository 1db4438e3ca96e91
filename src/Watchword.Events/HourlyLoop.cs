using Microsoft.Extensions.Logging;

namespace Watchword.Events;

/// <summary>Housekeeping at the start and every hour; after a failure a minute later. Any number of processes may run it.</summary>
public abstract class HourlyLoop(ILogger logger) : BackgroundLoop(logger)
{
    private static readonly TimeSpan Interval = TimeSpan.FromHours(1);

    /// <inheritdoc/>
    protected override TimeSpan RetryDelayMin => TimeSpan.FromMinutes(1);

    /// <inheritdoc/>
    protected override TimeSpan RetryDelayMax => Interval;

    /// <summary>One round.</summary>
    internal protected abstract Task RunOnceAsync(CancellationToken ct);

    /// <inheritdoc/>
    protected sealed override async Task RunAsync(CancellationToken ct)
    {
        using var timer = new PeriodicTimer(Interval);
        do
            await RunOnceAsync(ct);
        while (await timer.WaitForNextTickAsync(ct));
    }
}
