using Microsoft.Extensions.Logging;
using Npgsql;

namespace Watchword.Events.Outbox;

/// <summary>Creates the partitions of the coming days, and drops those past the retention.</summary>
public sealed class OutboxMaintenance(NpgsqlDataSource database, RelayOptions options, ILogger<OutboxMaintenance> logger) : HourlyLoop(logger)
{
    // A week ahead, with a default partition behind it: a failed round does no harm.
    private const int DaysAhead = 7;

    /// <inheritdoc/>
    protected internal override async Task RunOnceAsync(CancellationToken ct)
    {
        // Partition changes hold their locks briefly, but others queue behind one that waits: give up early and retry later.
        await using var batch = database.CreateBatch();
        batch.BatchCommands.Add(new("SET LOCAL lock_timeout = '2s'"));
        batch.BatchCommands.Add(new("SELECT pg_advisory_xact_lock(hashtextextended('watchword partitions', 0))"));
        batch.BatchCommands.Add(new("SELECT watchword.make_outbox_partitions($1)") { Parameters = { new() { Value = DaysAhead } } });
        batch.BatchCommands.Add(new("SELECT watchword.drop_outbox_partitions($1)") { Parameters = { new() { Value = options.Retention } } });
        await batch.ExecuteNonQueryAsync(ct);
    }
}
