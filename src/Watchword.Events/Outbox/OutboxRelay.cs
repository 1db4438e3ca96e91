using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Npgsql;
using Watchword.Events.Contracts;
using Watchword.Events.Postgres;
using Watchword.Nats;

namespace Watchword.Events.Outbox;

/// <summary>
/// Carries the outbox to JetStream. Of all processes one leads, by lease; the others pass their wake-ups on to it.
/// </summary>
/// <remarks>Nothing waits for it: with NATS away events stay in the outbox, and follow when it is back.</remarks>
public sealed class OutboxRelay(
    NpgsqlDataSource database, NatsConnection nats, JetStream jetStream, OutboxSignal signal, RelayOptions options, ILogger<OutboxRelay> logger,
    EventEnrichment? enrichment = null)
    : BackgroundLoop(logger)
{
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    // A foreign publisher that came between once is likely to again.
    private static readonly TimeSpan UnchainedFor = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan AuditRetry = TimeSpan.FromMinutes(1);

    private readonly HashSet<string> _held = [];
    private readonly StreamAudit _audit = new(database, jetStream, options, logger);
    private readonly PlacesOfEvents _places = new(jetStream);
    private readonly Dictionary<string, long> _auditDue =
        StreamAudit.Audited.ToDictionary(s => s.Name, _ => Environment.TickCount64 + (long)options.AuditDelay.TotalMilliseconds);
    private long _publishedTotal;

    /// <summary>Whether this process carries the outbox now.</summary>
    public bool IsLeader { get; private set; }

    /// <summary>Done when this process has carried, or found another at it, for the first time: the streams exist.</summary>
    public Task Ready => _ready.Task;

    /// <summary>Events that this process published and marked since it started.</summary>
    public long PublishedTotal => Interlocked.Read(ref _publishedTotal);

    /// <inheritdoc/>
    protected override TimeSpan RetryDelayMin => options.RetryDelayMin;

    /// <inheritdoc/>
    protected override TimeSpan RetryDelayMax => options.RetryDelayMax;

    /// <inheritdoc/>
    protected override async Task RunAsync(CancellationToken ct)
    {
        while (true)
        {
            await nats.WaitUntilOpenAsync(ct);
            await using var lease = await AdvisoryLease.TryAcquireAsync(database, "relay", ct);
            if (lease is null)
            {
                await FollowAsync(ct);
                continue;
            }
            using var leading = CancellationTokenSource.CreateLinkedTokenSource(ct);
            var receiving = OutboxNotifications.ReceiveAsync(database, signal, leading.Token);
            var auditing = Task.CompletedTask;
            try
            {
                var connection = nats.ReconnectCount;
                await PrepareAsync(lease, ct);
                auditing = AuditAsync(leading.Token);
                await LeadAsync(lease, [receiving, auditing], connection, ct);
            }
            finally
            {
                IsLeader = false;
                await leading.CancelAsync();
                await receiving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                await auditing.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
    }

    private async Task PrepareAsync(AdvisoryLease lease, CancellationToken ct)
    {
        // A mark that a crash of the database loses is made again: the event is published twice, under one id.
        await using (var relax = new NpgsqlCommand("SET synchronous_commit = off", lease.Connection))
            await relax.ExecuteNonQueryAsync(ct);
        // Whoever lost the lease may have lost the database too, and got an older one.
        await using (var raise = database.CreateCommand("SELECT watchword.raise_position()"))
            await raise.ExecuteNonQueryAsync(ct);
        await StreamSetup.EnsureAsync(jetStream, StreamAudit.Audited.Select(options.Adapt), logger, ct);
        try
        {
            await StreamSetup.EnsureAsync(jetStream, [options.Adapt(Streams.DeadLetters)], logger, ct);
        }
        catch (Exception e) when (e is JetStreamApiException { IsTransient: false } or NatsPermissionException)
        {
            logger.StreamNotMade(Streams.DeadLetters.Name, e.Message);   // somebody else's has its subjects
        }
        await _audit.CheckEndsAsync(ct);
        await _places.LoadAsync(ct);
    }

    // Ends when NATS has reconnected: the server may have come back without all that it had.
    private async Task LeadAsync(AdvisoryLease lease, Task[] helpers, long connection, CancellationToken ct)
    {
        await using var publisher = jetStream.CreatePublisher(new() { MaxInFlight = options.MaxInFlight });
        _held.Clear();   // another server, or other limits: let them try again
        IsLeader = true;
        _ready.TrySetResult();
        logger.RelayLeads();
        var sweeper = new RelaySweeper(database, lease.Connection, publisher, _held, _places, options, enrichment is { IsOff: false } ? enrichment : null, logger);
        var chainAfter = 0L;
        var retryHeld = 0L;
        var (refusing, refusedUntil, pause) = ((string?)null, 0L, TimeSpan.Zero);
        while (nats.ReconnectCount == connection)
        {
            if (_held.Count > 0 && Environment.TickCount64 >= retryHeld)
            {
                _held.Clear();   // a limit, a right or a stream may have been changed
                await _places.LoadAsync(ct);
            }
            if (_held.Count == 0)
                retryHeld = Environment.TickCount64 + (long)options.HeldRetry.TotalMilliseconds;
            var without = Environment.TickCount64 < refusedUntil ? refusing : null;
            var sweep = await sweeper.RunAsync(chained: Environment.TickCount64 >= chainAfter, without, ct);
            if (sweep.ChainBroken)
                chainAfter = Environment.TickCount64 + (long)UnchainedFor.TotalMilliseconds;
            Interlocked.Add(ref _publishedTotal, sweep.Marked - sweep.LeftOut);
            if (sweep.Failure is { } failure)
                throw failure;
            if (without is null)
                (refusing, pause) = (sweep.Refusing, sweep.Refusing is null ? TimeSpan.Zero : Longer(pause));
            if (sweep.Refusing is not null)
                refusedUntil = Environment.TickCount64 + (long)pause.TotalMilliseconds;
            if (sweep.Marked > 0 || sweep.ChainBroken || sweep.Refusing is not null)
                continue;   // in the last case with the other stream alone
            if (await signal.WaitAsync(refusing is not null && pause < options.PollInterval ? pause : options.PollInterval, ct))
                continue;
            await lease.CheckAsync(ct);
            foreach (var helper in helpers.Where(h => h.IsCompleted))
                await helper;   // nobody listens or audits any more: begin anew
        }
    }

    private TimeSpan Longer(TimeSpan pause) => TimeSpan.FromTicks(Math.Clamp(pause.Ticks * 2, options.RetryDelayMin.Ticks, options.RetryDelayMax.Ticks));

    // Every stream from end to end, while the relay carries on; a reconnect does not begin the hour anew.
    private async Task AuditAsync(CancellationToken ct)
    {
        while (true)
        {
            var stream = StreamAudit.Audited.MinBy(s => _auditDue[s.Name])!;
            if (_auditDue[stream.Name] - Environment.TickCount64 is > 0 and var wait)
                await Task.Delay(TimeSpan.FromMilliseconds(wait), ct);
            var next = options.AuditInterval;
            try
            {
                if ((await _audit.RunAsync(stream, ct)).Lost > 0)
                    signal.Pulse();
            }
            catch (Exception e) when (IsExpected(e) && e is not StreamGoneException && !ct.IsCancellationRequested)
            {
                logger.AuditInterrupted(stream.Name, e.Message);
                next = next < AuditRetry ? next : AuditRetry;
            }
            _auditDue[stream.Name] = Environment.TickCount64 + (long)next.TotalMilliseconds;
        }
    }

    // Another process leads: it may be waiting for what this one has just committed.
    private async Task FollowAsync(CancellationToken ct)
    {
        IsLeader = false;
        _ready.TrySetResult();
        var since = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(since) < options.PollInterval)
            await OutboxWaker.PassOnAsync(database, signal, options.PollInterval, ct);
    }
}
