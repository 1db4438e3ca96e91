using Microsoft.Extensions.Logging;
using Npgsql;
using Watchword.Events.JetStream;
using Watchword.Events.Postgres;

namespace Watchword.Events.Subscribing;

/// <summary>
/// Reads a durable consumer while this process holds the consumer's lease. Of the processes that share a name and a
/// database one works and the others stand by: that is how the events of a key keep their order.
/// </summary>
public abstract class LeasedConsumer(string name, NpgsqlDataSource database, JetStreamClient jetStream, ILogger logger) : BackgroundLoop(logger)
{
    private static readonly TimeSpan StandbyPoll = TimeSpan.FromSeconds(1);

    /// <summary>The consumer's name.</summary>
    protected string Name => name;

    /// <summary>Where the lease and the parked events are.</summary>
    protected NpgsqlDataSource Database => database;

    /// <summary>The consumer's.</summary>
    protected ILogger Logger { get; } = logger;

    /// <summary>The connection.</summary>
    protected JetStreamClient JetStream => jetStream;

    /// <summary>What the database needs.</summary>
    protected abstract IReadOnlyList<MigrationSet> Migrations { get; }

    /// <summary>Checks what must be right before the lease is asked for.</summary>
    protected virtual Task CheckAsync(CancellationToken ct) => Task.CompletedTask;

    /// <summary>Another process works.</summary>
    protected virtual void OnStandby()
    {
    }

    /// <summary>Works until the lease is lost, something fails, or it is cancelled.</summary>
    protected abstract Task WorkAsync(AdvisoryLease lease, CancellationToken ct);

    /// <inheritdoc/>
    protected sealed override async Task RunAsync(CancellationToken ct)
    {
        await MigrationRunner.ApplyAsync(database, Migrations, Logger, ct);
        await CheckAsync(ct);
        // Before the lease: while it waits for NATS nobody checks it, and PostgreSQL would end it.
        await jetStream.WaitUntilOpenAsync(ct);
        for (var told = false; ; told = true)
        {
            await using var lease = await AdvisoryLease.TryAcquireAsync(database, LeaseName, ct);
            if (lease is not null)
            {
                await WorkAsync(lease, ct);
                return;
            }
            if (!told)
                Logger.SubscriberStandsBy(name);
            OnStandby();
            await Task.Delay(StandbyPoll, ct);
        }
    }

    private string LeaseName => "subscriber " + name;
}
