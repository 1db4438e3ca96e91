using Microsoft.Extensions.Logging;
using Npgsql;

namespace Watchword.Events.Outbox;

/// <summary>Passes this process's wake-ups on to the process that leads.</summary>
/// <remarks>NOTIFY takes a database-wide lock at commit, so a burst of commits becomes one notification.</remarks>
public sealed class OutboxWaker(NpgsqlDataSource database, OutboxSignal signal, ILogger<OutboxWaker> logger) : BackgroundLoop(logger)
{
    private static readonly TimeSpan NotifyInterval = TimeSpan.FromMilliseconds(5);

    /// <inheritdoc/>
    protected override async Task RunAsync(CancellationToken ct)
    {
        while (true)
            await PassOnAsync(database, signal, Timeout.InfiniteTimeSpan, ct);
    }

    /// <summary>Waits for one wake-up, at most <paramref name="patience"/>, and passes it on.</summary>
    internal static async Task PassOnAsync(NpgsqlDataSource database, OutboxSignal signal, TimeSpan patience, CancellationToken ct)
    {
        if (!await signal.WaitAsync(patience, ct))
            return;
        await OutboxNotifications.SendAsync(database, ct);
        await Task.Delay(NotifyInterval, ct);
    }
}
