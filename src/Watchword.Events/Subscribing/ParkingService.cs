using Microsoft.Extensions.Logging;
using Npgsql;
using Watchword.Events.JetStream;
using Watchword.Events.Postgres;

namespace Watchword.Events.Subscribing;

/// <summary>Everything about a consumer's parked events: they are written, retried, copied to the stream of dead letters, and pruned.</summary>
internal sealed class ParkingService
{
    private static readonly TimeSpan LeaseCheck = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan PruneInterval = TimeSpan.FromHours(1);

    private readonly NpgsqlDataSource _database;
    private readonly string _consumer;
    private readonly SubscriberOptions _options;
    private readonly ILogger _logger;
    private readonly ParkedEvents _store;
    private readonly SupersededEvents _superseded;
    private readonly Redriver _redriver;
    private readonly DeadLetterCopies _copies;

    /// <param name="database">The consumer's own.</param>
    /// <param name="consumer">The consumer's name.</param>
    /// <param name="options">Attempts, delays, retention.</param>
    /// <param name="jetStream">Where the copies go.</param>
    /// <param name="gate">Passed by every handler of the process.</param>
    /// <param name="handle">Handles a parked event.</param>
    /// <param name="logger">The consumer's.</param>
    public ParkingService(
        NpgsqlDataSource database, string consumer, SubscriberOptions options, JetStreamClient jetStream, WorkGate gate, HandleParked handle,
        ILogger logger)
    {
        (_database, _consumer, _options, _logger) = (database, consumer, options, logger);
        _store = new(database, consumer);
        Lot = new(consumer, _store, gate, logger);
        _superseded = new(database, consumer);
        _redriver = new(database, _store, _superseded, Lot, options, handle, logger);
        _copies = new(consumer, _store, Lot, jetStream, logger);
    }

    public ParkingLot Lot { get; }

    /// <summary>Takes over the parked events of the last process, after checking that the lease still holds.</summary>
    public async Task LoadAsync(AdvisoryLease lease, CancellationToken ct)
    {
        await lease.CheckAsync(ct);
        await Lot.LoadAsync(ct);
    }

    /// <inheritdoc cref="Redriver.RunAsync"/>
    public Task RedriveAsync(Task settled, CancellationTokenSource stop, CancellationToken abort) => _redriver.RunAsync(settled, stop, abort);

    /// <summary>The open events of some queues, oldest first. What was handed in to the lot before must be written.</summary>
    public Task<List<ParkedEvent>> OpenAsync(string[] queues, CancellationToken ct) => _superseded.OpenAsync(queues, ct);

    /// <summary>Closes events that newer ones of their queues have made pointless, and frees the queues that become empty.</summary>
    /// <param name="events">Each with the reason that is kept.</param>
    /// <param name="ct">Gives up.</param>
    public async Task SupersedeAsync(IReadOnlyList<(ParkedEvent Parked, string Reason)> events, CancellationToken ct)
    {
        await _superseded.CloseAsync([.. events.Select(e => (e.Parked.Id, e.Reason))], ct);
        foreach (var (parked, reason) in events)
        {
            _logger.EventSuperseded(parked.Sequence, parked.Subject, parked.Key ?? "", reason);
            Lot.Doubt(parked.Queue);
        }
    }

    /// <summary>The background work beside the consumer's own, until cancelled.</summary>
    public IEnumerable<Task> Begin(AdvisoryLease lease, CancellationToken ct) =>
    [
        Lot.WriteAsync(lease, ct),
        _copies.RunAsync(ct),
        EveryAsync(LeaseCheck, () => lease.CheckAsync(ct), ct),
        EveryAsync(PruneInterval, () => PruneAsync(ct), ct),
    ];

    private async Task PruneAsync(CancellationToken ct)
    {
        try
        {
            await HandledEvents.PruneAsync(_database, _consumer, _options.HandledRetention, ct);
            await _store.PruneAsync(_options.HandledRetention, ct);
        }
        catch (NpgsqlException e)
        {
            _logger.PruneFailed(_consumer, e.Message);   // tried again in an hour
        }
    }

    private static async Task EveryAsync(TimeSpan interval, Func<Task> work, CancellationToken ct)
    {
        while (true)
        {
            await work();
            await Task.Delay(interval, ct);
        }
    }
}
