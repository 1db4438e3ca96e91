using Microsoft.Extensions.Logging;
using NATS.Client.Core;
using NATS.Client.JetStream;
using NATS.Client.JetStream.Models;
using Npgsql;
using Watchword.Events.Enrichment;
using Watchword.Events.JetStream;
using Watchword.Events.Postgres;

namespace Watchword.Events.Outbox;

/// <summary>Publishes the events of one stream while this process leads. The streams do not wait for each other.</summary>
internal sealed class StreamRelay(
    NpgsqlDataSource database, JetStreamClient jetStream, StreamConfig stream, RelayOptions options, EventEnrichment? enrichment, ILogger logger)
{
    // A foreign publisher that broke the chain once is likely to do it again.
    private static readonly TimeSpan UnchainedFor = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan AuditRetry = TimeSpan.FromMinutes(1);

    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Signal _wake = new();
    private readonly HashSet<string> _held = [];
    private readonly StreamAudit _audit = new(database, jetStream, options, logger);
    private readonly StreamSubjects _subjects = new(jetStream, stream);
    private AdvisoryLease? _refusedUnder;   // under this lease the stream refused an event: it stored nothing new, and its end need not be checked again
    private Deadline _auditDue = Deadline.After(options.AuditDelay);
    private long _publishedTotal;

    public string Name => stream.Name!;

    /// <summary>Completes when it publishes for the first time.</summary>
    public Task Ready => _ready.Task;

    /// <inheritdoc cref="OutboxRelay.PublishedTotal"/>
    public long PublishedTotal => Interlocked.Read(ref _publishedTotal);

    /// <summary>There may be something to publish.</summary>
    public void Wake() => _wake.Pulse();

    /// <summary>Checks what the stream has, and publishes the rest, until NATS has reconnected.</summary>
    /// <param name="lease">The leader's; its session marks what was published.</param>
    /// <param name="connection">The value of <see cref="JetStreamClient.OpenedTotal"/> at the beginning.</param>
    /// <param name="ct">Ends it, once every publish is settled.</param>
    /// <exception cref="NatsException">The stream, or all of NATS, takes nothing now.</exception>
    /// <exception cref="NpgsqlException">The database failed.</exception>
    public async Task RunAsync(AdvisoryLease lease, long connection, CancellationToken ct)
    {
        if (_refusedUnder != lease)
        {
            await StreamSetup.EnsureAsync(jetStream, [stream], logger, ct);
            await new StreamEnd(database, jetStream, _audit, logger).CheckAsync(Name, ct);
            await _subjects.LoadAsync(ct);
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
        await using var publisher = await PublishWindow.OpenAsync(jetStream, options.MaxInFlight, ct);
        _held.Clear();   // another server, or other limits: try them again
        var sweeper = new RelaySweeper(database, lease, publisher, stream, _held, _subjects, options, enrichment, logger);
        Deadline unchainedUntil = default, retryHeld = default;
        while (jetStream.OpenedTotal == connection)
        {
            if (_held.Count > 0 && retryHeld.HasPassed)
            {
                _held.Clear();   // a limit, a right or a stream may have been changed
                await _subjects.LoadAsync(ct);
            }
            if (_held.Count == 0)
                retryHeld = Deadline.After(options.HeldRetry);
            var sweep = await sweeper.RunAsync(chained: unchainedUntil.HasPassed, ct);
            if (sweep.ChainBroken)
                unchainedUntil = Deadline.After(UnchainedFor);
            Interlocked.Add(ref _publishedTotal, sweep.Marked - sweep.LeftOut);
            if (sweep.Failure is { } failure)
            {
                _refusedUnder = failure is NatsJSApiException ? lease : null;
                throw failure;
            }
            if (sweep.Marked > 0 || sweep.ChainBroken || await _wake.WaitAsync(options.PollInterval, ct))
                continue;
            if (auditing.IsCompleted)
                await auditing;   // the audit failed: start again
        }
    }

    // Audits the whole stream now and then, beside the publishing. A reconnect does not restart the interval.
    private async Task AuditAsync(CancellationToken ct)
    {
        while (true)
        {
            await Task.Delay(_auditDue.Left, ct);
            var next = options.AuditInterval;
            try
            {
                if ((await _audit.RunAsync(Name, ct)).Lost > 0)
                    Wake();
            }
            catch (Exception e) when (e is NatsException and not StreamGoneException or NpgsqlException or IOException or TimeoutException && !ct.IsCancellationRequested)
            {
                logger.AuditInterrupted(Name, e.Message);
                next = next < AuditRetry ? next : AuditRetry;
            }
            _auditDue = Deadline.After(next);
        }
    }
}
