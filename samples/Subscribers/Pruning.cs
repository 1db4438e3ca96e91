using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Watchword.Events;

namespace Watchword.Samples.Subscribers;

/// <summary>Deletes a subscriber's expired rows at the start and every hour. A failure does not stop the subscriber.</summary>
internal sealed class Pruning(NpgsqlDataSource database, Func<NpgsqlBatchCommand[]> commands, ILogger<Pruning> logger) : HourlyLoop(logger)
{
    /// <param name="services">The host's services.</param>
    /// <param name="database">The subscriber's database.</param>
    /// <param name="commands">Creates the statements of one round.</param>
    public static void Add(IServiceCollection services, NpgsqlDataSource database, Func<NpgsqlBatchCommand[]> commands) =>
        // Each subscriber has its own; AddHostedService would register only the first.
        services.AddSingleton<IHostedService>(s => ActivatorUtilities.CreateInstance<Pruning>(s, database, commands));

    protected override async Task RunOnceAsync(CancellationToken ct)
    {
        await using var batch = database.CreateBatch();
        foreach (var command in commands())
            batch.BatchCommands.Add(command);
        batch.Timeout = 0;   // the first round after a long pause has much to do
        await batch.ExecuteNonQueryAsync(ct);
    }
}
