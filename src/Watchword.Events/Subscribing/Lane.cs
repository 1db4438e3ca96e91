using System.Threading.Channels;

namespace Watchword.Events.Subscribing;

/// <summary>
/// Handles events one after the other. A key always goes to the same lane, so its events keep their order; lanes work
/// side by side.
/// </summary>
internal abstract class Lane(LaneSetting setting)
{
    private readonly Channel<EventContext> _waiting = Channel.CreateUnbounded<EventContext>(new() { SingleReader = true });

    /// <summary>The events that wait for this lane.</summary>
    protected ChannelReader<EventContext> Waiting => _waiting.Reader;

    /// <summary>Never waits: the server bounds how many events are under way.</summary>
    public void Add(EventContext context) => _waiting.Writer.TryWrite(context);

    /// <summary>Works until <paramref name="stop"/>. Events that it has not begun stay in hand.</summary>
    /// <param name="stop">No further event is begun.</param>
    /// <param name="abort">The handlers at work are cancelled.</param>
    public async Task RunAsync(CancellationToken stop, CancellationToken abort)
    {
        using var call = new HandlerCall(setting.Services, setting.Options.HandlerTimeout, abort);
        try
        {
            while (!stop.IsCancellationRequested && await _waiting.Reader.WaitToReadAsync(stop))
                await HandleWaitingAsync(call, stop, abort);
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Nothing more is begun.
        }
    }

    /// <summary>A place for one handler, or for those that share a transaction.</summary>
    protected ValueTask<WorkGate.Place> EnterAsync(CancellationToken ct) => setting.Lot.Gate.EnterAsync(ct);

    /// <summary>Whether the event was delivered so often, and never answered, that it may be what kills the process.</summary>
    protected bool IsSuspect(EventContext context) => context.Deliveries > setting.Options.MostDeliveries;

    /// <summary>Whether the parking lot takes the event, so that it must not be handled here.</summary>
    /// <param name="context">The event.</param>
    /// <param name="isNext">Whether it is the first of its key.</param>
    protected bool IsHeld(EventContext context, bool isNext = true)
    {
        if (setting.Lot.TryHold(context))
            return true;
        if (!isNext || !IsSuspect(context))
            return false;
        // From there it is tried alone, and a limited number of times.
        setting.Lot.ParkSuspect(context, $"it was delivered {context.Deliveries} times without an answer");
        return true;
    }

    /// <summary>Parks an event whose handler failed.</summary>
    protected void Park(EventContext context, Exception e)
    {
        setting.Logger.HandlerFailed(e, setting.Name, context.Subject, context.Sequence);
        var again = !SubscriberFailure.IsLasting(e) && setting.Options.MaxDeliver > 1;
        setting.Lot.Park(context, SubscriberFailure.Reason(e), 1, again ? setting.Options.DelayAfter(1) : null);
    }

    /// <summary>Handles some or all of the events that wait.</summary>
    protected abstract Task HandleWaitingAsync(HandlerCall call, CancellationToken stop, CancellationToken abort);
}
