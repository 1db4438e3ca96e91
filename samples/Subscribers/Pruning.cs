using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Watchword.Events;

namespace Watchword.Samples.Subscribers;

/// <summary>Removes what a subscriber needs no longer: at the start and every hour, beside its work, which a failure of this does not stop.</summary>
internal sealed class Pruning(NpgsqlDataSource database, Func<NpgsqlBatchCommand[]> commands, ILogger<Pruning> logger) : HourlyLoop(logger)
{
    /// <param name="services">Of the host that the subscriber runs in.</param>
    /// <param name="database">Where it keeps its things.</param>
    /// <param name="commands">Makes the statements of one round.</param>
    public static void Add(IServiceCollection services, NpgsqlDataSource database, Func<NpgsqlBatchCommand[]> commands) =>
        // Each subscriber has its own: AddHostedService would take only the first.
        services.AddSingleton<IHostedService>(s => ActivatorUtilities.CreateInstance<Pruning>(s, database, commands));

    protected override async Task RunOnceAsync(CancellationToken ct)
    {
        await using var batch = database.CreateBatch();
        foreach (var command in commands())
            batch.BatchCommands.Add(command);
        batch.Timeout = 0;   // the first after a long while has much to do
        await batch.ExecuteNonQueryAsync(ct);
    }
}
