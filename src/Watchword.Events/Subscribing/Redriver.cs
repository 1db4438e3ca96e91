using Microsoft.Extensions.Logging;
using Npgsql;

namespace Watchword.Events.Subscribing;

/// <summary>Handles a parked event. <c>resolve</c> records that it was: in the transaction of the effects where there is one.</summary>
internal delegate Task HandleParked(EventContext context, Func<NpgsqlTransaction?, CancellationToken, Task> resolve, CancellationToken ct);

/// <summary>Handles parked events when they are due, each queue in its order; an empty queue's key is free again.</summary>
internal sealed class Redriver(
    NpgsqlDataSource database, ParkedEvents store, ParkingLot lot, SubscriberOptions options, HandleParked handle, ILogger logger)
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LongPoll = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(25);
    private static readonly TimeSpan OnItsWay = TimeSpan.FromMilliseconds(5);
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(200);
    private static readonly TimeSpan LastWords = TimeSpan.FromSeconds(2);

    private readonly Dictionary<string, Task<FailedEvent?>> _drains = [];

    /// <summary>Until <paramref name="stop"/>, or until the database fails.</summary>
    /// <param name="settled">Nothing is handled before: what was under way when the last process ended is known by then.</param>
    /// <param name="stop">No further event is begun.</param>
    /// <param name="abort">The handlers at work are cancelled, and their events given back.</param>
    public async Task RunAsync(Task settled, CancellationToken stop, CancellationToken abort)
    {
        using var end = CancellationTokenSource.CreateLinkedTokenSource(stop);
        try
        {
            await settled.WaitAsync(stop);
            await lot.FlushAsync(stop);
            while (true)
            {
                await lot.Changed.WaitAsync(lot.Count > 0 ? Poll : LongPoll, stop);
                await Task.Delay(Gather, stop);   // the database is not asked for each that comes in
                await EndAsync(abort);
                if (lot.Count > 0)
                    await BeginAsync(end.Token, abort);
            }
        }
        finally
        {
            // Also when one of them failed: the others end soon, and all begins anew.
            await end.CancelAsync();
            await Task.WhenAll(_drains.Values.Cast<Task>()).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            using var patience = new CancellationTokenSource(LastWords);
            await EndAsync(patience.Token);
        }
    }

    private async Task BeginAsync(CancellationToken stop, CancellationToken abort)
    {
        foreach (var queue in lot.TakeDoubtful(options.Concurrency - _drains.Count))
            Begin(queue, null);
        if (_drains.Count >= options.Concurrency)
            return;
        foreach (var (queue, head) in await store.BeginDueAsync(options.Concurrency - _drains.Count, _drains.Keys, options.MaxDeliver, abort))
            Begin(queue, head);

        void Begin(string queue, ParkedEvent? head)
        {
            if (!_drains.ContainsKey(queue))
                _drains.Add(queue, DrainAndTellAsync(queue, head, stop, abort));
        }
    }

    // What failed is written down together: trouble comes in crowds.
    private async Task EndAsync(CancellationToken ct)
    {
        var ended = _drains.Where(d => d.Value.IsCompleted).ToList();
        ended.ForEach(d => _drains.Remove(d.Key));
        List<FailedEvent> failed = [];
        foreach (var (_, drain) in ended.Where(d => d.Value.IsCompletedSuccessfully))
            if (await drain is { } one)
                failed.Add(one);
        if (failed.Count > 0)
        {
            await store.FailAsync(failed, ct);
            foreach (var (head, reason, _) in failed)
                logger.EventParked(head.Subject, head.Sequence, head.Key ?? "", head.Attempts, reason);
            if (failed.Any(f => f.Delay is null))
                lot.Failed.Pulse();
        }
        foreach (var (_, drain) in ended)
            await drain;
    }

    private async Task<FailedEvent?> DrainAndTellAsync(string queue, ParkedEvent? head, CancellationToken stop, CancellationToken abort)
    {
        try
        {
            await Task.Yield();
            return await DrainAsync(queue, head, stop, abort);
        }
        finally
        {
            lot.Changed.Pulse();   // there is room for the next
        }
    }

    // To the end of the queue, or to the first that fails.
    private async Task<FailedEvent?> DrainAsync(string queue, ParkedEvent? taken, CancellationToken stop, CancellationToken abort)
    {
        while (true)
        {
            if (taken is not null && await TryHandleAsync(taken, abort) is { } failed)
                return failed;
            if (stop.IsCancellationRequested)
                return null;
            var written = lot.Written(queue);
            taken = await store.BeginAsync(queue, options.MaxDeliver, abort);
            if (taken is not null)
                continue;
            if (await store.HeadAsync(queue, abort) is { } head)
            {
                if (head.State == "failed" || (head.State == "retrying" && !head.Due))
                    return null;
                if (head.Attempts < options.MaxDeliver)
                    continue;   // written down, or due, between the two looks
                return head.Due ? new(head, (head.Reason is null ? "" : head.Reason + "; ") + ParkedEvents.DiedWithIt, null) : null;
            }
            if (lot.TryRelease(queue, written))
                return null;
            await Task.Delay(OnItsWay, abort);   // being written down
        }
    }

    private async Task<FailedEvent?> TryHandleAsync(ParkedEvent head, CancellationToken abort)
    {
        // Once begun the last words are short, however the database does.
        using var patience = new CancellationTokenSource();
        await using var hurry = abort.Register(() => patience.CancelAfter(LastWords));
        var resolved = false;
        while (true)
        {
            try
            {
                await handle(new EventContext(head, head.Attempts), ResolveAsync, abort);
                break;
            }
            catch (Exception e)
            {
                if (!abort.IsCancellationRequested && !await SubscriberFailure.IsOfTheDatabaseAsync(e, database, patience.Token))
                {
                    // A dead letter that somebody had redriven is one again at once.
                    var again = head.State != "failed" && head.Attempts < options.MaxDeliver && !SubscriberFailure.IsLasting(e);
                    return new(head, SubscriberFailure.Reason(e), again ? options.DelayAfter(head.Attempts) : null);
                }
                // The database is away: nothing that the event is to blame for.
                await Task.Delay(RetryDelay, abort).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (abort.IsCancellationRequested)
                {
                    await store.GiveBackAsync(head, patience.Token);
                    throw;
                }
                resolved = false;
            }
        }
        if (!resolved)
            await store.ResolveAsync(head, null, patience.Token);   // done is done
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
