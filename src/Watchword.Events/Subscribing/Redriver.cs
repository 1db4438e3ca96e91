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
    private static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan OnItsWay = TimeSpan.FromMilliseconds(5);

    private readonly HashSet<string> _atWork = [];
    private readonly List<Task> _drains = [];

    /// <summary>Until cancelled, or until the database fails.</summary>
    public async Task RunAsync(CancellationToken ct)
    {
        try
        {
            while (true)
            {
                await lot.Changed.WaitAsync(lot.Count > 0 ? Poll : LongPoll, ct);
                await Task.Delay(Gather, ct);   // the database is not asked for each that comes in
                foreach (var ended in _drains.Where(d => d.IsCompleted).ToList())
                {
                    await ended;
                    _drains.Remove(ended);
                }
                if (lot.Count == 0 || _drains.Count >= options.Concurrency)
                    continue;
                foreach (var queue in lot.TakeDoubtful().Concat(await store.DueQueuesAsync(options.Concurrency, ct)))
                    if (Begin(queue))
                        _drains.Add(DrainAndEndAsync(queue, ct));
            }
        }
        finally
        {
            await Task.WhenAll(_drains).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private bool Begin(string queue)
    {
        lock (_atWork)
            return _atWork.Add(queue);
    }

    private async Task DrainAndEndAsync(string queue, CancellationToken ct)
    {
        try
        {
            await Task.Yield();
            await DrainAsync(queue, ct);
        }
        finally
        {
            lock (_atWork)
                _atWork.Remove(queue);
            lot.Changed.Pulse();   // there is room for the next
        }
    }

    private async Task DrainAsync(string queue, CancellationToken ct)
    {
        await store.NoteDiscardsAsync(queue, ct);
        while (true)
        {
            var handedIn = lot.HandedIn(queue);
            if (await store.BeginAsync(queue, options.MaxDeliver, ct) is { } taken)
            {
                if (!await TryHandleAsync(taken, ct))
                    return;
            }
            else if (await store.HeadAsync(queue, ct) is { } head)
            {
                if (head.State == "waiting" && head.Attempts < options.MaxDeliver)
                    continue;   // written down between the two looks
                if (head is { State: "retrying" or "waiting", Due: true })
                    await FailAsync(head, (head.Reason is null ? "" : head.Reason + "; ") + "the process ended while it was handled", null, ct);
                return;
            }
            else if (lot.TryRelease(queue, handedIn))
            {
                return;
            }
            else
            {
                await Task.Delay(OnItsWay, ct);   // being written down
            }
        }
    }

    private async Task<bool> TryHandleAsync(ParkedEvent head, CancellationToken ct)
    {
        var resolved = false;
        try
        {
            await handle(new EventContext(head, head.Attempts), async (transaction, token) =>
            {
                await store.ResolveAsync(head, transaction, token);
                resolved = true;
            }, ct);
        }
        catch (Exception e) when (!ct.IsCancellationRequested)
        {
            if (await SubscriberFailure.IsOfTheDatabaseAsync(e, database, ct))
                throw;
            // A dead letter that somebody had redriven is one again at once.
            var again = head.State != "failed" && head.Attempts < options.MaxDeliver && !SubscriberFailure.IsLasting(e);
            await FailAsync(head, SubscriberFailure.Reason(e), again ? options.DelayAfter(head.Attempts) : null, ct);
            return false;
        }
        if (!resolved)
            await store.ResolveAsync(head, null, ct);
        if (head.State == "failed")
            logger.EventRedriven(head.Id, head.Subject, head.Key ?? "");
        return true;
    }

    private async Task FailAsync(ParkedEvent head, string reason, TimeSpan? delay, CancellationToken ct)
    {
        await store.FailAsync(head.Id, reason, delay, ct);
        logger.EventParked(head.Subject, head.Sequence, head.Key ?? "", head.Attempts, reason);
        if (delay is null)
            lot.Failed.Pulse();
    }
}
