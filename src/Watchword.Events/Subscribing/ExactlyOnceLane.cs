using System.Runtime.ExceptionServices;

namespace Watchword.Events.Subscribing;

/// <summary>
/// Handles events in transactions of the subscriber's database, several in one where several wait. The mark that an event
/// was handled commits with its effects. An event that fails is taken out, and the others are handled again.
/// </summary>
internal sealed class ExactlyOnceLane(LaneSetting setting) : Lane(setting)
{
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(200);

    private readonly LaneSetting _setting = setting;
    private readonly List<EventContext> _batch = [];
    private bool _together = true;
    private int _conflicts;

    protected override async Task HandleWaitingAsync(HandlerCall call, CancellationToken stop, CancellationToken abort)
    {
        while (_batch.Count < _setting.Options.BatchSize && Waiting.TryRead(out var context))
            _batch.Add(context);
        _together = true;
        while (_batch.Count > 0 && !stop.IsCancellationRequested)
        {
            using var place = await EnterAsync(stop);
            SetHeldAside();
            if (_batch.Count > 0)
                await TryHandleAsync(_together ? [.. _batch] : [_batch[0]], call, stop, abort);
        }
        _batch.Clear();
    }

    // Later events of a key that has just failed may be in this very batch; and a suspect lets the earlier events of its
    // key go first.
    private void SetHeldAside()
    {
        HashSet<string> ahead = [];
        _batch.RemoveAll(t =>
        {
            var isNext = ahead.Add(t.Queue);
            _together &= isNext || !IsSuspect(t);
            return IsHeld(t, isNext);
        });
    }

    private async Task TryHandleAsync(EventContext[] part, HandlerCall call, CancellationToken stop, CancellationToken abort)
    {
        EventContext? current = null;
        try
        {
            await using var effects = await EffectsTransaction.BeginAsync(_setting.Database, abort);
            var fresh = await HandledEvents.ClaimAsync(effects.Transaction, _setting.Name, part.Select(t => t.EventId), abort);
            foreach (var context in part)
            {
                if (stop.IsCancellationRequested && current is not null)
                {
                    // Keep what was done, and begin nothing more.
                    part = [.. part.TakeWhile(c => c != context)];
                    await HandledEvents.GiveBackAsync(effects.Transaction, _setting.Name, fresh, abort);
                    break;
                }
                // An id that comes twice is fresh once.
                if (!fresh.Remove(context.EventId))
                    continue;
                current = context;
                using var activity = context.StartActivity();
                await effects.RunAsync(call, context.Handle!, context);
            }
            if (part.Length > 1)
                current = null;   // a failed commit is nobody's fault in particular
            await HandledEvents.CommitAsync(effects.Transaction, abort);
        }
        catch (Exception) when (abort.IsCancellationRequested)
        {
            return;
        }
        catch (Exception e)
        {
            await FailedAsync(part, current, e, abort);
            return;
        }
        _conflicts = 0;
        foreach (var context in part)
        {
            await context.AckAsync();
            _batch.Remove(context);
        }
        _setting.Handled(part.Length);
    }

    private async Task FailedAsync(EventContext[] part, EventContext? culprit, Exception e, CancellationToken abort)
    {
        if (SubscriberFailure.IsOneConflictTooMany(e, ref _conflicts) && part is [var stubborn])
        {
            _conflicts = 0;
            _batch.Remove(stubborn);
            Park(stubborn, e);
        }
        else if (await SubscriberFailure.IsOfTheDatabaseAsync(e, _setting.Database, abort))
        {
            _together &= !SubscriberFailure.IsConflict(e);
            await Task.Delay(RetryDelay * Random.Shared.NextDouble(), abort).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        else if (culprit is not null && (part.Length == 1 || !SubscriberFailure.IsOfAStatement(e)) && part.First(c => c.Queue == culprit.Queue) == culprit)
        {
            _batch.Remove(culprit);
            Park(culprit, e);
        }
        else if (!_together)
        {
            // No handler's fault: the marks themselves cannot be written. The loop restarts after a wait, and logs why.
            ExceptionDispatchInfo.Throw(e);
        }
        else
        {
            // The rollback also undid earlier events of its key, which must go first. Or a statement or the commit failed for
            // what an earlier event left behind: an error that its handler swallowed, a deferred constraint. Handled one by
            // one, both come right.
            _together = false;
        }
    }
}
