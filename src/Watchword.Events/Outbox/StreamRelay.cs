using Microsoft.Extensions.Logging;
using Npgsql;
using Watchword.Events.Enrichment;
using Watchword.Events.Postgres;
using Watchword.Nats;

namespace Watchword.Events.Outbox;

/// <summary>Carries the events of one stream while this process leads. It knows nothing of the other: neither waits for it.</summary>
internal sealed class StreamRelay(
    NpgsqlDataSource database, NatsConnection nats, JetStream jetStream, StreamConfig stream, RelayOptions options, EventEnrichment? enrichment, ILogger logger)
{
    // A foreign publisher that came between once is likely to again.
    private static readonly TimeSpan UnchainedFor = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan AuditRetry = TimeSpan.FromMinutes(1);

    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Signal _wake = new();
    private readonly HashSet<string> _held = [];
    private readonly StreamAudit _audit = new(database, jetStream, options, logger);
    private readonly PlacesOfEvents _places = new(jetStream, stream);
    private AdvisoryLease? _refusedUnder;   // nothing was stored that was not known: the look at the stream's end holds
    private long _auditDue = Environment.TickCount64 + (long)options.AuditDelay.TotalMilliseconds;
    private long _publishedTotal;

    public string Name => stream.Name;

    /// <summary>Done when it has carried for the first time.</summary>
    public Task Ready => _ready.Task;

    /// <inheritdoc cref="OutboxRelay.PublishedTotal"/>
    public long PublishedTotal => Interlocked.Read(ref _publishedTotal);

    /// <summary>There may be something to carry.</summary>
    public void Wake() => _wake.Pulse();

    /// <summary>Sees what the stream has, and carries the rest, until NATS has reconnected.</summary>
    /// <param name="lease">Of whoever leads; what is published is marked by its session.</param>
    /// <param name="connection">The <see cref="NatsConnection.ReconnectCount"/> that it leads on.</param>
    /// <param name="ct">Ends it; every publish is settled before.</param>
    /// <exception cref="NatsException">The stream, or all of NATS, takes nothing now.</exception>
    /// <exception cref="NpgsqlException">The database failed.</exception>
    public async Task RunAsync(AdvisoryLease lease, long connection, CancellationToken ct)
    {
        if (_refusedUnder != lease)
        {
            await StreamSetup.EnsureAsync(jetStream, [options.Adapt(stream)], logger, ct);
            await new StreamEnd(database, jetStream, _audit, logger).CheckAsync(stream, ct);
            await _places.LoadAsync(ct);
        }
        _refusedUnder = null;
        _ready.TrySetResult();
        using var carrying = CancellationTokenSource.CreateLinkedTokenSource(ct);
        var auditing = AuditAsync(carrying.Token);
        try
        {
            await CarryAsync(lease, connection, auditing, ct);
        }
        finally
        {
            await carrying.CancelAsync();
            await auditing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task CarryAsync(AdvisoryLease lease, long connection, Task auditing, CancellationToken ct)
    {
        await using var publisher = jetStream.CreatePublisher(new() { MaxInFlight = options.MaxInFlight });
        _held.Clear();   // another server, or other limits: let them try again
        var sweeper = new RelaySweeper(database, lease, publisher, stream, _held, _places, options, enrichment, logger);
        var chainAfter = 0L;
        var retryHeld = 0L;
        while (nats.ReconnectCount == connection)
        {
            if (_held.Count > 0 && Environment.TickCount64 >= retryHeld)
            {
                _held.Clear();   // a limit, a right or a stream may have been changed
                await _places.LoadAsync(ct);
            }
            if (_held.Count == 0)
                retryHeld = Environment.TickCount64 + (long)options.HeldRetry.TotalMilliseconds;
            var sweep = await sweeper.RunAsync(chained: Environment.TickCount64 >= chainAfter, ct);
            if (sweep.ChainBroken)
                chainAfter = Environment.TickCount64 + (long)UnchainedFor.TotalMilliseconds;
            Interlocked.Add(ref _publishedTotal, sweep.Marked - sweep.LeftOut);
            if (sweep.Failure is { } failure)
            {
                _refusedUnder = failure is JetStreamApiException ? lease : null;
                throw failure;
            }
            if (sweep.Marked > 0 || sweep.ChainBroken || await _wake.WaitAsync(options.PollInterval, ct))
                continue;
            if (auditing.IsCompleted)
                await auditing;   // nobody audits any more: begin anew
        }
    }

    // From end to end, while the relay carries on; a reconnect does not begin the hour anew.
    private async Task AuditAsync(CancellationToken ct)
    {
        while (true)
        {
            if (_auditDue - Environment.TickCount64 is > 0 and var wait)
                await Task.Delay(TimeSpan.FromMilliseconds(wait), ct);
            var next = options.AuditInterval;
            try
            {
                if ((await _audit.RunAsync(stream, ct)).Lost > 0)
                    Wake();
            }
            catch (Exception e) when (e is NatsException and not StreamGoneException or NpgsqlException or IOException or TimeoutException && !ct.IsCancellationRequested)
            {
                logger.AuditInterrupted(stream.Name, e.Message);
                next = next < AuditRetry ? next : AuditRetry;
            }
            _auditDue = Environment.TickCount64 + (long)next.TotalMilliseconds;
        }
    }
}
