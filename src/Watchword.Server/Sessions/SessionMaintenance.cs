using Npgsql;
using Watchword.Events;
using Watchword.Server.Store;

namespace Watchword.Server.Sessions;

/// <summary>Deletes refresh tokens and ended sessions that can no longer matter.</summary>
internal sealed class SessionMaintenance(NpgsqlDataSource database, IdentityTables tables, ILogger<SessionMaintenance> logger) : HourlyLoop(logger)
{
    protected override async Task RunOnceAsync(CancellationToken ct)
    {
        // For a day an expired token is answered with "Token expired", which tells its owner more than "Invalid token".
        await using var batch = database.CreateBatch();
        batch.BatchCommands.Add(new("DELETE FROM watchword.refresh_token WHERE expires_at < now() - interval '1 day'"));
        batch.BatchCommands.Add(new("DELETE FROM watchword.ended_session WHERE ended_at < now() - interval '2 days'"));
        batch.BatchCommands.Add(new(tables.Render("DELETE FROM watchword.user_login l WHERE NOT EXISTS (SELECT 1 FROM {user} u WHERE u.id::text = l.user_id)")));
        batch.BatchCommands.Add(new("DELETE FROM watchword.login_failure WHERE last_at < now() - interval '2 days'"));
        await batch.ExecuteNonQueryAsync(ct);
    }
}
