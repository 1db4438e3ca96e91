using Npgsql;
using Watchword.Events;

namespace Watchword.Server.Sessions;

/// <summary>Hourly, forgets refresh tokens and ended sessions that nobody can present any more. Any number of processes may.</summary>
internal sealed class SessionMaintenance(NpgsqlDataSource database, ILogger<SessionMaintenance> logger) : BackgroundLoop(logger)
{
    private static readonly TimeSpan Interval = TimeSpan.FromHours(1);

    protected override TimeSpan RetryDelayMin => TimeSpan.FromMinutes(1);

    protected override TimeSpan RetryDelayMax => Interval;

    protected override async Task RunAsync(CancellationToken ct)
    {
        using var timer = new PeriodicTimer(Interval);
        do
            await ForgetAsync(ct);
        while (await timer.WaitForNextTickAsync(ct));
    }

    internal async Task ForgetAsync(CancellationToken ct)
    {
        // An expired token is told so for a day: "expired" helps its owner more than "invalid".
        await using var batch = database.CreateBatch();
        batch.BatchCommands.Add(new("DELETE FROM watchword.refresh_token WHERE expires_at < now() - interval '1 day'"));
        batch.BatchCommands.Add(new("DELETE FROM watchword.ended_session WHERE ended_at < now() - interval '2 days'"));
        await batch.ExecuteNonQueryAsync(ct);
    }
}
