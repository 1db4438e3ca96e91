using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Npgsql;
using Watchword.Events.Contracts;
using Watchword.Events.Enrichment;
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
    private readonly TaskCompletionSource _follows = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly StreamRelay[] _streams =
        [.. StreamAudit.Audited.Select(s => new StreamRelay(database, nats, jetStream, s, options, enrichment is { IsOff: false } ? enrichment : null, logger))];

    /// <summary>Whether this process carries the outbox now.</summary>
    public bool IsLeader { get; private set; }

    /// <summary>Done when this process has carried, or found another at it, for the first time: the streams exist.</summary>
    public Task Ready => Task.WhenAny(_follows.Task, Task.WhenAll(_streams.Select(s => s.Ready)));

    /// <summary>Events that this process published and marked since it started.</summary>
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
            await nats.WaitUntilOpenAsync(ct);
            await using var lease = await AdvisoryLease.TryAcquireAsync(database, "relay", ct);
            await (lease is null ? FollowAsync(ct) : LeadAsync(lease, ct));
        }
    }

    // Ends when NATS has reconnected: the server may have come back without all that it had.
    private async Task LeadAsync(AdvisoryLease lease, CancellationToken ct)
    {
        var connection = nats.ReconnectCount;
        // A mark that a crash of the database loses is made again: the event is published twice, under one id.
        await using (var relax = new NpgsqlCommand("SET synchronous_commit = off"))
            await lease.ExecuteAsync(relax, ct);
        // Whoever lost the lease may have lost the database too, and got an older one.
        await using (var raise = database.CreateCommand("SELECT watchword.raise_position()"))
            await raise.ExecuteNonQueryAsync(ct);
        IsLeader = true;
        logger.RelayLeads();
        using var leading = CancellationTokenSource.CreateLinkedTokenSource(ct);
        Task[] work =
        [
            OutboxNotifications.ReceiveAsync(database, signal, leading.Token),
            WakeAsync(lease, leading.Token),
            WaitOutAsync(Streams.DeadLetters.Name, MakeDeadLettersAsync, leading.Token),
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
            await lease.CheckAsync(ct);   // also of a leader with nothing to mark
            since = Stopwatch.GetTimestamp();
        }
    }

    // Nothing is published there from here: no event waits for it.
    private async Task MakeDeadLettersAsync(CancellationToken ct)
    {
        try
        {
            await StreamSetup.EnsureAsync(jetStream, [options.Adapt(Streams.DeadLetters)], logger, ct);
        }
        catch (Exception e) when (e is JetStreamApiException { IsTransient: false } or NatsPermissionException)
        {
            logger.StreamNotMade(Streams.DeadLetters.Name, e.Message);   // somebody else's has its subjects
        }
        await Task.Delay(Timeout.Infinite, ct);
    }

    // Trouble of one stream alone is waited out here, beside the others: it has no quorum, it is full. When none answers
    // it may be this process's own, and another shall lead.
    private async Task WaitOutAsync(string stream, Func<CancellationToken, Task> work, CancellationToken ct)
    {
        for (var pause = options.RetryDelayMin; ;)
        {
            var since = Environment.TickCount64;
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
            if (Environment.TickCount64 - since > options.RetryDelayMax.TotalMilliseconds)
                pause = options.RetryDelayMin;
            await Task.Delay(pause, ct);
            pause = TimeSpan.FromTicks(Math.Min(pause.Ticks * 2, options.RetryDelayMax.Ticks));
        }
    }

    private async Task<bool> OthersAnswerAsync(string stream, CancellationToken ct)
    {
        foreach (var other in Streams.All.Where(s => s.Name != stream))
        {
            try
            {
                await jetStream.FindStreamAsync(other.Name, ct);
                return true;
            }
            catch (NatsException)
            {
                // Nor does this one.
            }
        }
        return false;
    }

    // Another process leads: it may be waiting for what this one has just committed.
    private async Task FollowAsync(CancellationToken ct)
    {
        _follows.TrySetResult();
        var since = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(since) < options.PollInterval)
            await OutboxWaker.PassOnAsync(database, signal, options.PollInterval, ct);
    }
}
