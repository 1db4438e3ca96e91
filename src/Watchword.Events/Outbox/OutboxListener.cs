using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Watchword.Events.Outbox;

/// <summary>Wakes the relay for changes made elsewhere: LISTEN, a hint beside the relay's own polling.</summary>
public sealed class OutboxListener(NpgsqlDataSource database, OutboxSignal signal, ILogger<OutboxListener> logger) : BackgroundService
{
    private const string Channel = "watchword_outbox";
    private static readonly TimeSpan RetryDelay = TimeSpan.FromSeconds(1);

    /// <summary>Wakes the relay in whichever process it runs.</summary>
    internal static async Task NotifyAsync(NpgsqlDataSource database, CancellationToken ct)
    {
        await using var command = database.CreateCommand($"NOTIFY {Channel}");
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            try
            {
                await using var connection = await database.OpenConnectionAsync(stoppingToken);
                connection.Notification += (_, _) => signal.Pulse();
                await using (var listen = new NpgsqlCommand($"LISTEN {Channel}", connection))
                    await listen.ExecuteNonQueryAsync(stoppingToken);
                signal.Pulse();   // what came while nobody listened
                while (true)
                    await connection.WaitAsync(stoppingToken);
            }
            catch (OperationCanceledException) when (stoppingToken.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e) when (e is NpgsqlException or IOException or TimeoutException)
            {
                logger.ListenInterrupted(e.Message);
            }
            await Task.Delay(RetryDelay, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
