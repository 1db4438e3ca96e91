using Microsoft.Extensions.Logging;
using Npgsql;
using Watchword.Events.JetStream;
using Watchword.Events.Postgres;

namespace Watchword.Events.Subscribing;

/// <summary>A durable subscriber: reads its streams, and gives each key's events to a lane of their own.</summary>
internal sealed class Subscriber(
    string name, SubscriberBuilder subscriber, JetStreamClient jetStream, bool ownsConnection, WorkGate gate, IServiceProvider services, ILogger<Subscriber> logger)
    : LeasedConsumer(name, subscriber.Database!, jetStream, logger), IAsyncDisposable
{
    private static readonly TimeSpan FlushPatience = TimeSpan.FromSeconds(2);

    private readonly SubscriberOptions _options = subscriber.Options;

    /// <inheritdoc/>
    protected override TimeSpan StopPatience => _options.DrainTimeout + base.StopPatience;

    /// <inheritdoc/>
    protected override IReadOnlyList<MigrationSet> Migrations { get; } = [SubscribingSchema.Migrations];

    /// <inheritdoc/>
    protected override async Task WorkAsync(AdvisoryLease lease, CancellationToken ct)
    {
        var readers = subscriber.Handlers.Streams.Select(stream => new DurableReader(Name, stream, subscriber.Handlers, _options, JetStream, logger)).ToList();
        var parking = new ParkingService(Database, Name, _options, JetStream, gate, HandleParkedAsync, logger);
        await parking.LoadAsync(lease, ct);
        var setting = new LaneSetting(Name, _options, services, parking.Lot, Database, EventMetrics.HandledBy(Name), logger);
        var lanes = Enumerable.Range(0, _options.Concurrency)
            .Select(Lane (_) => subscriber.IsExactlyOnce ? new ExactlyOnceLane(setting) : new AtLeastOnceLane(setting)).ToArray();

        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        using var abort = new CancellationTokenSource();
        List<Task> handling =
        [
            .. lanes.Select(l => Task.Run(() => l.RunAsync(stop.Token, abort.Token), CancellationToken.None)),
            parking.RedriveAsync(Task.WhenAll(readers.Select(r => r.Settled)), stop, abort.Token),
        ];
        List<Task> work = [.. handling, .. readers.Select(ReadAsync), TouchAsync(readers, abort.Token), .. parking.Begin(lease, abort.Token)];
        await Task.WhenAny(work);

        // Handlers finish first, then everything else ends. Events that were not begun are given back last, when nothing
        // asks for more: the server would give them to us again.
        await stop.CancelAsync();
        if (lease.IsHeld)   // otherwise another process has begun already
            await Task.WhenAny(Task.WhenAll(handling), Task.Delay(_options.DrainTimeout, CancellationToken.None));
        await abort.CancelAsync();
        await Task.WhenAll(work).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (var reader in readers)
            await reader.Hand.ReturnAllAsync();
        await JetStream.FlushAsync(FlushPatience);   // acks and returned events must not be lost with the connection
        await Task.WhenAll(work);   // throws what failed, if anything did

        // Each by itself: a stream that nobody has made yet must not hold up the others.
        async Task ReadAsync(DurableReader reader)
        {
            await reader.PrepareAsync(stop.Token);
            logger.SubscriberReads(Name, reader.Stream);
            try
            {
                await reader.RunAsync(context => Dispatch(context, reader), stop.Token);
            }
            finally
            {
                await stop.CancelAsync();
            }
        }

        void Dispatch(EventContext context, DurableReader reader)
        {
            // An event that was unanswered when the last process ended may be parked already: that must be known first.
            if (reader.Settled.IsCompleted || !parking.Lot.TryHoldAsBefore(context))
                lanes[LaneOf(context.Queue, lanes.Length)].Add(context);
        }
    }

    private async Task<ParkedOutcome> HandleParkedAsync(EventContext context, Func<NpgsqlTransaction?, CancellationToken, Task> resolve, CancellationToken ct)
    {
        var handle = subscriber.Handlers.Find(context.Stream, context.Subject)
            ?? throw new EventRefusedException($"no handler of {Name} takes {context.Subject} any more");
        using var call = new HandlerCall(services, _options.HandlerTimeout, ct);
        if (!subscriber.IsExactlyOnce)
        {
            await call.RunAsync(handle, context);
            return ParkedOutcome.Handled;
        }
        await using var effects = await EffectsTransaction.BeginAsync(Database, ct);
        if ((await HandledEvents.ClaimAsync(effects.Transaction, Name, [context.EventId], ct)).Count > 0)
            await effects.RunAsync(call, handle, context);
        // A handler may have set another role, for the rows of one tenant.
        await using (var reset = new NpgsqlCommand("RESET ROLE", effects.Transaction.Connection, effects.Transaction))
            await reset.ExecuteNonQueryAsync(ct);
        await resolve(effects.Transaction, ct);
        await HandledEvents.CommitAsync(effects.Transaction, ct);
        return ParkedOutcome.Handled;
    }

    private static async Task TouchAsync(IReadOnlyList<DurableReader> readers, CancellationToken ct)
    {
        while (true)
        {
            await Task.Delay(readers.Min(r => r.AckWait) / 3, ct);
            foreach (var reader in readers)
                await reader.Hand.TouchAsync();
        }
    }

    private static int LaneOf(string queue, int lanes) => (int)((uint)queue.GetHashCode(StringComparison.Ordinal) % (uint)lanes);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Dispose();
        if (ownsConnection)
            await JetStream.DisposeAsync();
        if (subscriber.OwnsDatabase)
            await Database.DisposeAsync();
    }
}
