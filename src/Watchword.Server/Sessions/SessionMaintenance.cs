using Npgsql;

namespace Watchword.Server.Sessions;

/// <summary>Hourly, forgets refresh tokens and ended sessions that nobody can present any more. Any number of processes may.</summary>
internal sealed class SessionMaintenance(NpgsqlDataSource database, ILogger<SessionMaintenance> logger) : BackgroundService
{
    private static readonly TimeSpan Interval = TimeSpan.FromHours(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var timer = new PeriodicTimer(Interval);
        do
        {
            try
            {
                await RunAsync(stoppingToken);
            }
            catch (Exception e) when (e is NpgsqlException or IOException or TimeoutException)
            {
                logger.SessionMaintenanceFailed(e.Message);
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    internal async Task RunAsync(CancellationToken ct)
    {
        // An expired token is told so for a day: "expired" helps its owner more than "invalid".
        await using var batch = database.CreateBatch();
        batch.BatchCommands.Add(new("DELETE FROM watchword.refresh_token WHERE expires_at < now() - interval '1 day'"));
        batch.BatchCommands.Add(new("DELETE FROM watchword.ended_session WHERE ended_at < now() - interval '2 days'"));
        await batch.ExecuteNonQueryAsync(ct);
    }
}
