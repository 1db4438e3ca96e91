using System.Diagnostics;
using Microsoft.Extensions.Logging;
using NATS.Client.Core;
using NATS.Client.JetStream;
using Npgsql;
using Watchword.Events.Contracts;
using Watchword.Events.Enrichment;
using Watchword.Events.JetStream;
using Watchword.Events.Postgres;

namespace Watchword.Events.Outbox;

/// <summary>
/// Publishes the outbox to JetStream. One process leads, by lease; the others pass their wake-ups on to it.
/// </summary>
/// <remarks>Nothing waits for it: while NATS is down, events stay in the outbox.</remarks>
public sealed class OutboxRelay(
    NpgsqlDataSource database, JetStreamClient jetStream, OutboxSignal signal, RelayOptions options, ILogger<OutboxRelay> logger,
    EventEnrichment? enrichment = null)
    : BackgroundLoop(logger)
{
    private readonly TaskCompletionSource _follows = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly StreamRelay[] _streams =
        [.. StreamAudit.Audited.Select(s => new StreamRelay(database, jetStream, s, options, enrichment is { IsOff: false } ? enrichment : null, logger))];

    /// <summary>Whether this process leads now.</summary>
    public bool IsLeader { get; private set; }

    /// <summary>Completes when this process leads for the first time, or finds that another does: the streams exist.</summary>
    public Task Ready => Task.WhenAny(_follows.Task, Task.WhenAll(_streams.Select(s => s.Ready)));

    /// <summary>Events that this process has published and marked since it started.</summary>
    public long PublishedTotal => _streams.Sum(s => s.PublishedTotal);

    /// <inheritdoc/>
    protected override TimeSpan RetryDelayMin => options.RetryDelayMin;

    /// <inheritdoc/>
    protected override TimeSpan RetryDelayMax => options.RetryDelayMax;

    /// <inheritdoc/>
    protected override async Task RunAsync(CancellationToken ct)
    {
        while (true)
        {
            await jetStream.WaitUntilOpenAsync(ct);
            await using var lease = await AdvisoryLease.TryAcquireAsync(database, "relay", ct);
            await (lease is null ? FollowAsync(ct) : LeadAsync(lease, ct));
        }
    }

    // Ends when NATS has reconnected: the server may have come back without everything that it had.
    private async Task LeadAsync(AdvisoryLease lease, CancellationToken ct)
    {
        var connection = jetStream.OpenedTotal;
        // A mark that the database loses in a crash is repeated: the event is published again under the same id.
        await using (var relax = new NpgsqlCommand("SET synchronous_commit = off"))
            await lease.ExecuteAsync(relax, ct);
        // The database may have been restored from a backup: positions must not be given twice.
        await using (var raise = database.CreateCommand("SELECT watchword.raise_position()"))
            await raise.ExecuteNonQueryAsync(ct);
        IsLeader = true;
        logger.RelayLeads();
        using var leading = CancellationTokenSource.CreateLinkedTokenSource(ct);
        Task[] work =
        [
            OutboxNotifications.ReceiveAsync(database, signal, leading.Token),
            WakeAsync(lease, leading.Token),
            WaitOutAsync(Streams.DeadLetters.Name!, MakeDeadLettersAsync, leading.Token),
            .. _streams.Select(s => WaitOutAsync(s.Name, c => s.RunAsync(lease, connection, c), leading.Token)),
        ];
        try
        {
            await await Task.WhenAny(work);
        }
        finally
        {
            IsLeader = false;
            await leading.CancelAsync();
            await Task.WhenAll(work).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task WakeAsync(AdvisoryLease lease, CancellationToken ct)
    {
        for (var since = Stopwatch.GetTimestamp(); ;)
        {
            if (await signal.WaitAsync(options.PollInterval, ct))
                foreach (var stream in _streams)
                    stream.Wake();
            if (Stopwatch.GetElapsedTime(since) < options.PollInterval)
                continue;
            await lease.CheckAsync(ct);   // also while there is nothing to mark
            since = Stopwatch.GetTimestamp();
        }
    }

    // The relay itself does not publish there, so no event waits for this stream.
    private async Task MakeDeadLettersAsync(CancellationToken ct)
    {
        try
        {
            await StreamSetup.EnsureAsync(jetStream, [Streams.DeadLetters], logger, ct);
        }
        catch (Exception e) when (e is NatsJSApiException api && !api.IsTransient() || e is NatsDeniedException)
        {
            logger.StreamNotMade(Streams.DeadLetters.Name!, e.Message);   // another stream has its subjects
        }
        await Task.Delay(Timeout.Infinite, ct);
    }

    // Waits out the trouble of one stream (no quorum, full) beside the others. When no stream answers, the trouble may be
    // this process's own: it gives the lease back, and another may lead.
    private async Task WaitOutAsync(string stream, Func<CancellationToken, Task> work, CancellationToken ct)
    {
        var backoff = new Backoff(options.RetryDelayMin, options.RetryDelayMax);
        while (true)
        {
            try
            {
                await work(ct);
                return;
            }
            catch (NatsException e) when (!ct.IsCancellationRequested)
            {
                if (!await OthersAnswerAsync(stream, ct))
                    throw;
                logger.LoopInterrupted($"{nameof(OutboxRelay)} ({stream})", e.Message);
            }
            await backoff.WaitAsync(ct);
            ct.ThrowIfCancellationRequested();
        }
    }

    private async Task<bool> OthersAnswerAsync(string stream, CancellationToken ct)
    {
        foreach (var other in Streams.All.Where(s => s.Name != stream))
        {
            try
            {
                await jetStream.FindStreamAsync(other.Name!, ct);
                return true;
            }
            catch (NatsException)
            {
                // This one does not answer either.
            }
        }
        return false;
    }

    // Another process leads: wake it when this one has committed something.
    private async Task FollowAsync(CancellationToken ct)
    {
        _follows.TrySetResult();
        var since = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(since) < options.PollInterval)
            await OutboxWaker.PassOnAsync(database, signal, options.PollInterval, ct);
    }
}
