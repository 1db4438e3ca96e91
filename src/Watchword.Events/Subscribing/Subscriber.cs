using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using NATS.Client.Core;
using Npgsql;
using Watchword.Events.JetStream;
using Watchword.Events.Postgres;

namespace Watchword.Events.Subscribing;

/// <summary>
/// A durable subscriber. Of the processes of one name that share a database one works, by lease, and the others stand
/// by: that is how a key's events keep their order.
/// </summary>
internal sealed class Subscriber(
    string name, SubscriberBuilder subscriber, JetStream jetStream, bool ownsConnection, IServiceProvider services, ILogger<Subscriber> logger)
    : BackgroundLoop(logger), IAsyncDisposable
{
    private static readonly TimeSpan StandbyPoll = TimeSpan.FromSeconds(1);

    private readonly SubscriberOptions _options = subscriber.Options;
    private readonly NpgsqlDataSource? _database = subscriber.Database;
    private readonly NatsConnection _nats = jetStream.Connection;
    private readonly ReadBefore _before = new(subscriber.Database, name);

    /// <inheritdoc/>
    protected override TimeSpan StopPatience => _options.DrainTimeout + base.StopPatience;

    /// <inheritdoc/>
    protected override async Task RunAsync(CancellationToken ct)
    {
        await _nats.WaitUntilOpenAsync(ct);
        if (_database is null)
        {
            await WorkAsync(null, ct);
            return;
        }
        await MigrationRunner.ApplyAsync(_database, [SubscribingSchema.Migrations], logger, ct);
        await using var lease = await ParkingService.TryAcquireAsync(_database, name, ct);
        if (lease is not null)
            await WorkAsync(lease, ct);
        else
            await StandByAsync(ct);
    }

    private async Task StandByAsync(CancellationToken ct)
    {
        logger.SubscriberStandsBy(name);
        while (true)
        {
            await Task.Delay(StandbyPoll, ct);
            await using var lease = await ParkingService.TryAcquireAsync(_database!, name, ct);
            if (lease is null)
                continue;
            await WorkAsync(lease, ct);
            return;
        }
    }

    private async Task WorkAsync(AdvisoryLease? lease, CancellationToken ct)
    {
        var readers = subscriber.Handlers.Streams.Select(stream =>
            new DurableReader(name, stream, subscriber.Handlers, _options, keepsOrder: lease is not null, _before, jetStream, _nats, logger)).ToList();
        var hands = readers.ToDictionary(r => r.Stream, r => r.Hand, StringComparer.Ordinal);
        var parking = _database is null ? null
            : new ParkingService(_database, name, _options, jetStream, services.GetRequiredService<WorkGate>(), HandleParkedAsync, request => hands[request.Message.Stream].Done(request.Message, keep: request.Context.IsAbandoned), logger);
        if (lease is not null)
            await parking!.LoadAsync(lease, ct);

        var failures = new FailurePolicy(name, _options, parking?.Lot, jetStream, logger);
        var setting = new LaneSetting(name, _options, services, failures, parking?.Lot, _database, EventMetrics.HandledBy(name));
        var lanes = Enumerable.Range(0, _options.Concurrency)
            .Select(Lane (_) => subscriber.IsExactlyOnce ? new ExactlyOnceLane(setting) : new AtLeastOnceLane(setting)).ToArray();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        using var abort = new CancellationTokenSource();
        var handling = lanes.Select(l => Task.Run(() => l.RunAsync(stop.Token, abort.Token), CancellationToken.None)).ToList();
        if (parking is not null)
            handling.Add(parking.RedriveAsync(Task.WhenAll(readers.Select(r => r.Settled)), stop, abort.Token));
        List<Task> work =
        [
            .. handling,
            .. readers.Select(ReadAsync),
            TouchAsync(readers, abort.Token),
        ];
        if (lease is not null)
            work.AddRange(parking!.Begin(lease, abort.Token));
        await Task.WhenAny(work);
        // Handlers finish; then everything else ends; what has not begun is given back when nothing more is asked for, or
        // the server would give it to us again.
        await stop.CancelAsync();
        if (lease is null or { IsHeld: true })   // else another has begun by now
            await Task.WhenAny(Task.WhenAll(handling), Task.Delay(_options.DrainTimeout, CancellationToken.None));
        await abort.CancelAsync();
        await Task.WhenAll(work).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        foreach (var reader in readers)
            await reader.Hand.ReturnAllAsync();
        await Task.WhenAll(work);   // what failed, if anything did

        // By itself: a stream that nobody has made yet must not hold up the others.
        async Task ReadAsync(DurableReader reader)
        {
            await reader.PrepareAsync(stop.Token);
            logger.SubscriberReads(name, reader.Stream);
            List<Task> both = [reader.RunAsync(taken => Dispatch(taken, reader), stop.Token), ConsumerWatch.RunAsync(jetStream, reader.Stream, name, stop.Token)];
            await Task.WhenAny(both);
            await stop.CancelAsync();
            await Task.WhenAll(both);
        }

        void Dispatch(in Taken taken, DurableReader reader)
        {
            // What was under way when the last process ended may be parked already: it must be known before that is handled.
            if (reader.Settled.IsCompleted || parking?.Lot.TryHoldAsBefore(taken.Context, taken.Message) is not true)
                lanes[LaneOf(taken.Context.Queue, lanes.Length)].Add(taken);
        }
    }

    private async Task HandleParkedAsync(EventContext context, Func<NpgsqlTransaction?, CancellationToken, Task> resolve, CancellationToken ct)
    {
        var handle = subscriber.Handlers.Find(context.Stream, context.Subject)
            ?? throw new EventRefusedException($"no handler of {name} takes {context.Subject} any more");
        using var call = new HandlerCall(services, _options.HandlerTimeout, ct);
        if (!subscriber.IsExactlyOnce)
        {
            await call.RunAsync(handle, context);
            return;
        }
        await using var effects = await EffectsTransaction.BeginAsync(_database!, ct);
        if ((await HandledEvents.ClaimAsync(effects.Transaction, name, [context.EventId], ct)).Count > 0)
            await effects.RunAsync(call, handle, context);
        // A handler may have put on another role, for the rows of one tenant.
        await using (var reset = new NpgsqlCommand("RESET ROLE", effects.Transaction.Connection, effects.Transaction))
            await reset.ExecuteNonQueryAsync(ct);
        await resolve(effects.Transaction, ct);
        await HandledEvents.CommitAsync(effects.Transaction, ct);
    }

    private static async Task TouchAsync(IReadOnlyList<DurableReader> readers, CancellationToken ct)
    {
        while (true)
        {
            await Task.Delay(readers.Min(r => r.AckWait) / 3, ct);
            foreach (var reader in readers)
                await reader.Hand.TouchAsync(ct);
        }
    }

    private static int LaneOf(string queue, int lanes) => (int)((uint)queue.GetHashCode(StringComparison.Ordinal) % (uint)lanes);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Dispose();
        if (ownsConnection)
            await _nats.DisposeAsync();
    }
}
