using Microsoft.Extensions.Logging;
using Npgsql;

namespace Watchword.Events.Subscribing;

/// <summary>Handles a parked event. <c>resolve</c> records that it was handled, in the transaction of its effects where there is one.</summary>
internal delegate Task<ParkedOutcome> HandleParked(EventContext context, Func<NpgsqlTransaction?, CancellationToken, Task> resolve, CancellationToken ct);

/// <summary>Handles parked events when they are due, each queue in its order. The key of an empty queue is free again.</summary>
internal sealed class Redriver(
    NpgsqlDataSource database, ParkedEvents store, SupersededEvents superseded, ParkingLot lot, SubscriberOptions options, HandleParked handle, ILogger logger)
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongPoll = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan OnItsWay = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan AloneAtOnce = TimeSpan.FromSeconds(1);   // then the others get a turn

    private readonly Dictionary<string, Task<FailedEvent?>> _drains = [];

    /// <param name="Stop">No further event is begun.</param>
    /// <param name="Abort">Running handlers are cancelled, and their events given back.</param>
    /// <param name="Silence">The last statements have had their time.</param>
    private readonly record struct Ends(CancellationToken Stop, CancellationToken Abort, CancellationToken Silence);

    /// <summary>Handles parked events when they are due, until <paramref name="stop"/> or until the database fails.</summary>
    /// <param name="settled">Nothing is handled before: by then it is known which events were unanswered when the last process ended.</param>
    /// <param name="stop">No further event is begun. Cancelled here when the database fails, to end the consumer's other work.</param>
    /// <param name="abort">Running handlers are cancelled, and their events given back.</param>
    public async Task RunAsync(Task settled, CancellationTokenSource stop, CancellationToken abort)
    {
        using var silence = new CancellationTokenSource();
        await using var hurry = abort.Register(() => silence.CancelAfter(LastWords));
        var ends = new Ends(stop.Token, abort, silence.Token);
        try
        {
            await settled.WaitAsync(ends.Stop);
            await lot.FlushAsync(ends.Stop);
            while (true)
            {
                await lot.Changed.WaitAsync(lot.Count > 0 ? Poll : LongPoll, ends.Stop);
                await Task.Delay(Gather, ends.Stop);   // one query for many events
                await EndAsync(ends.Silence);
                if (lot.Count > 0)
                    await BeginAsync(ends);
            }
        }
        finally
        {
            // Also when one of them failed: the consumer restarts without waiting for the slowest.
            await stop.CancelAsync();
            await Task.WhenAll(_drains.Values.Cast<Task>()).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            using var patience = new CancellationTokenSource(LastWords);
            await EndAsync(patience.Token);
        }
    }

    private async Task BeginAsync(Ends ends)
    {
        foreach (var queue in lot.TakeDoubtful(options.Concurrency - _drains.Count, _drains.Keys))
            Begin(queue, null);
        if (_drains.Count < options.Concurrency)
            foreach (var (queue, head) in await store.BeginDueAsync(options.Concurrency - _drains.Count, _drains.Keys, options.MaxDeliver, ends.Silence))
                Begin(queue, head);
        if (lot.TakeSuspects())
            await lot.Gate.AloneAsync(() => TrySuspectsAsync(ends), ends.Stop);

        void Begin(string queue, ParkedEvent? head)
        {
            if (!_drains.ContainsKey(queue))
                _drains.Add(queue, DrainAndTellAsync(queue, head, ends));
        }
    }

    // Nothing else is being handled: if the process dies now, this event is the cause.
    private async Task TrySuspectsAsync(Ends ends)
    {
        await EndAsync(ends.Silence);   // an event that has failed must not be taken for the one that the process died of
        for (var turn = Deadline.After(AloneAtOnce); await store.BeginSuspectAsync(options.MaxDeliver, ends.Silence) is { } suspect;)
        {
            if (await TryHandleAsync(suspect, ends) is { } failed)
                await RecordAsync([failed], ends.Silence);
            lot.Doubt(suspect.Queue);   // what waits behind it is next
            if (!turn.HasPassed && !ends.Stop.IsCancellationRequested)
                continue;
            lot.LeaveSuspects();
            return;
        }
    }

    // Failures come in bursts: they are written together.
    private async Task EndAsync(CancellationToken ct)
    {
        var ended = _drains.Where(d => d.Value.IsCompleted).ToList();
        ended.ForEach(d => _drains.Remove(d.Key));
        List<FailedEvent> failed = [];
        foreach (var (_, drain) in ended.Where(d => d.Value.IsCompletedSuccessfully))
            if (await drain is { } one)
                failed.Add(one);
        if (failed.Count > 0)
            await RecordAsync(failed, ct);
        foreach (var (_, drain) in ended)
            await drain;
    }

    private async Task RecordAsync(List<FailedEvent> failed, CancellationToken ct)
    {
        var written = await store.FailAsync(failed, ct);
        foreach (var (head, reason, delay, counts) in failed)
        {
            if (!written.Contains(head.Id))
                lot.Doubt(head.Queue);   // resolved after all, as by a commit whose answer was lost: look at what is behind it
            else if (!counts)
                continue;   // every few seconds: whoever makes it wait has said so once
            else if (delay is null)
                logger.EventParked(head.Subject, head.Sequence, head.Key ?? "", head.Attempts, reason);
            else
                logger.EventRetried(head.Subject, head.Sequence, head.Key ?? "", head.Attempts, reason);
        }
        if (failed.Any(f => f.Delay is null))
            lot.Failed.Pulse();
    }

    private async Task<FailedEvent?> DrainAndTellAsync(string queue, ParkedEvent? head, Ends ends)
    {
        try
        {
            return await DrainAsync(queue, head, ends);
        }
        finally
        {
            lot.Changed.Pulse();   // there is room for the next
        }
    }

    // To the end of the queue, or to the first event that fails.
    private async Task<FailedEvent?> DrainAsync(string queue, ParkedEvent? taken, Ends ends)
    {
        while (true)
        {
            long written;
            // The first time without waiting: an event that is taken already must be inside before the gate closes.
            using (await lot.Gate.EnterAsync(ends.Stop))
            {
                await Task.Yield();
                written = lot.Written(queue);
                taken ??= await store.BeginAsync(queue, options.MaxDeliver, ends.Silence);
                if (taken is not null && await TryHandleAsync(taken, ends) is { } failed)
                    return failed;
            }
            if (ends.Stop.IsCancellationRequested)
                return null;
            if (taken is not null)
            {
                taken = null;
                continue;
            }
            if (await store.HeadAsync(queue, ends.Silence) is { } head)
            {
                if (head.State == "failed" || (head.State == "retrying" && !head.Due))
                    return null;
                if (head.Attempts >= options.MaxDeliver)   // the last attempt killed its process, or MaxDeliver was lowered
                    return head.Due ? new(head, head.Reason ?? ParkedEvents.DiedWithIt, null) : null;
                if (head.Suspect)
                    return null;   // it is tried alone
                continue;   // written, or due, between the two queries
            }
            if (lot.TryRelease(queue, written))
                return null;
            await Task.Delay(OnItsWay, ends.Abort);   // the lot is still writing it
        }
    }

    private async Task<FailedEvent?> TryHandleAsync(ParkedEvent head, Ends ends)
    {
        var resolved = false;
        var conflicts = 0;
        ParkedOutcome outcome;
        while (true)
        {
            try
            {
                outcome = await handle(new EventContext(head, head.Attempts), ResolveAsync, ends.Abort);
                break;
            }
            catch (Exception e)
            {
                if (!ends.Abort.IsCancellationRequested
                    && (SubscriberFailure.IsOneConflictTooMany(e, ref conflicts) || !await SubscriberFailure.IsOfTheDatabaseAsync(e, database, ends.Silence)))
                {
                    // A redriven dead letter that fails is one again at once.
                    var again = head.State != "failed" && head.Attempts < options.MaxDeliver && !SubscriberFailure.IsLasting(e);
                    return new(head, SubscriberFailure.Reason(e), again ? options.DelayAfter(head.Attempts) : null);
                }
                // The database is unreachable, which is not the event's fault.
                await Task.Delay(RetryDelay, ends.Abort).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (ends.Abort.IsCancellationRequested)
                {
                    await store.GiveBackAsync(head, ends.Silence);
                    throw;
                }
                resolved = false;
            }
        }
        if (outcome.Waits is { } reason)
            return new(head, reason, outcome.Delay, Counts: false);
        if (outcome.SupersededBy is { } by)
        {
            await superseded.CloseAsync([(head.Id, $"superseded by {by}")], ends.Silence);
            logger.EventSuperseded(head.Sequence, head.Subject, head.Key ?? "", $"superseded by {by}");
            return null;
        }
        if (!resolved)
            await store.ResolveAsync(head, null, ends.Silence);   // the handler has finished, whatever happens now
        if (head.State == "failed")
            logger.EventRedriven(head.Id, head.Subject, head.Key ?? "");
        return null;

        async Task ResolveAsync(NpgsqlTransaction? transaction, CancellationToken token)
        {
            await store.ResolveAsync(head, transaction, token);
            resolved = true;
        }
    }
}
