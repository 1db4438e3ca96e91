using Microsoft.Extensions.Logging;
using Npgsql;

namespace Watchword.Events.Outbox;

/// <summary>Makes the coming days' partitions and drops those past the retention, hourly. Any number of processes may.</summary>
public sealed class OutboxMaintenance(NpgsqlDataSource database, RelayOptions options, ILogger<OutboxMaintenance> logger) : BackgroundLoop(logger)
{
    private const int DaysAhead = 7;
    private static readonly TimeSpan Interval = TimeSpan.FromHours(1);

    // There is a week's reserve, and a default partition behind it.
    /// <inheritdoc/>
    protected override TimeSpan RetryDelayMin => TimeSpan.FromMinutes(1);

    /// <inheritdoc/>
    protected override TimeSpan RetryDelayMax => Interval;

    /// <inheritdoc/>
    protected override async Task RunAsync(CancellationToken ct)
    {
        using var timer = new PeriodicTimer(Interval);
        do
            await MaintainAsync(ct);
        while (await timer.WaitForNextTickAsync(ct));
    }

    /// <summary>One round.</summary>
    internal async Task MaintainAsync(CancellationToken ct)
    {
        // The locks of partition changes are short, but a queue behind one is not: give up early, try again later.
        await using var batch = database.CreateBatch();
        batch.BatchCommands.Add(new("SET LOCAL lock_timeout = '2s'"));
        batch.BatchCommands.Add(new("SELECT pg_advisory_xact_lock(hashtextextended('watchword partitions', 0))"));
        batch.BatchCommands.Add(new("SELECT watchword.make_outbox_partitions($1)") { Parameters = { new() { Value = DaysAhead } } });
        batch.BatchCommands.Add(new("SELECT watchword.drop_outbox_partitions($1)") { Parameters = { new() { Value = options.Retention } } });
        await batch.ExecuteNonQueryAsync(ct);
    }
}
