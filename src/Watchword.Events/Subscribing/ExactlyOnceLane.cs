using System.Runtime.ExceptionServices;

namespace Watchword.Events.Subscribing;

/// <summary>
/// Events in transactions of the subscriber's database, several in one where several wait: the marks of what was
/// handled commit with the handlers' effects. One that fails is taken out, and the others are handled anew.
/// </summary>
internal sealed class ExactlyOnceLane(LaneSetting setting) : Lane(setting)
{
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(200);

    private readonly LaneSetting _setting = setting;
    private readonly List<Taken> _batch = [];
    private bool _together = true;
    private int _conflicts;

    protected override async Task HandleWaitingAsync(HandlerCall call, CancellationToken stop, CancellationToken abort)
    {
        while (_batch.Count < _setting.Options.BatchSize && Waiting.TryRead(out var taken))
            _batch.Add(taken);
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

    // What failed a moment ago may have followers in this very batch; and what would be set aside itself has to let those
    // of its key go first that came before it.
    private void SetHeldAside()
    {
        HashSet<string> ahead = [];
        _batch.RemoveAll(t =>
        {
            var isNext = ahead.Add(t.Context.Queue);
            _together &= isNext || !IsSuspect(t);
            return IsHeld(t, isNext);
        });
    }

    private async Task TryHandleAsync(Taken[] part, HandlerCall call, CancellationToken stop, CancellationToken abort)
    {
        Taken? current = null;
        try
        {
            await using var effects = await EffectsTransaction.BeginAsync(_setting.Database!, abort);
            var fresh = await HandledEvents.ClaimAsync(effects.Transaction, _setting.Name, part.Select(t => t.Context.EventId), abort);
            foreach (var taken in part)
            {
                if (stop.IsCancellationRequested && current is not null)
                {
                    // What was done is kept, and nothing more begun.
                    part = [.. part.TakeWhile(t => t != taken)];
                    await HandledEvents.GiveBackAsync(effects.Transaction, _setting.Name, fresh, abort);
                    break;
                }
                // An id that comes twice is fresh once.
                if (!fresh.Remove(taken.Context.EventId))
                    continue;
                current = taken;
                using var activity = taken.Message.StartProcessing();
                await effects.RunAsync(call, taken.Handle, taken.Context);
            }
            if (part.Length > 1)
                current = null;   // the commit is everybody's
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
        foreach (var taken in part)
        {
            await taken.AckAsync();
            _batch.Remove(taken);
        }
        _setting.Handled(part.Length);
    }

    private async Task FailedAsync(Taken[] part, Taken? culprit, Exception e, CancellationToken abort)
    {
        if (SubscriberFailure.IsOneConflictTooMany(e, ref _conflicts) && part is [var stubborn])
        {
            _conflicts = 0;
            _batch.Remove(stubborn);
            await _setting.Failures.HandleAsync(stubborn, e, abort);
        }
        else if (await SubscriberFailure.IsOfTheDatabaseAsync(e, _setting.Database, abort))
        {
            _together &= !SubscriberFailure.IsConflict(e);
            await Task.Delay(RetryDelay * Random.Shared.NextDouble(), abort).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        else if (culprit is { } taken && (part.Length == 1 || !SubscriberFailure.IsOfAStatement(e)) && part.First(t => t.Context.Queue == taken.Context.Queue) == taken)
        {
            _batch.Remove(taken);
            await _setting.Failures.HandleAsync(taken, e, abort);
        }
        else if (!_together)
        {
            // No handler's fault: the marks themselves cannot be written. Begin anew, after a wait, and say why.
            ExceptionDispatchInfo.Throw(e);
        }
        else
        {
            // Undone with it was what its key did before: that goes first, or it would wait behind its own successor. Or a
            // statement was refused, or the commit, for what an earlier one left behind: an error that its handler
            // swallowed, a deferred constraint. One by one both are seen to.
            _together = false;
        }
    }
}
