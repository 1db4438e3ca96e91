using System.Threading.Channels;
using Npgsql;

namespace Watchword.Events.Subscribing;

/// <summary>What one subscriber's lanes share.</summary>
/// <param name="Name">The subscriber.</param>
/// <param name="Options">How it works.</param>
/// <param name="Services">The host's.</param>
/// <param name="Failures">What becomes of an event whose handler failed.</param>
/// <param name="Lot">Which keys are in trouble; null without a database.</param>
/// <param name="Database">Null without one.</param>
/// <param name="Handled">Counted up by every event that was handled.</param>
internal sealed record LaneSetting(
    string Name, SubscriberOptions Options, IServiceProvider Services, FailurePolicy Failures, ParkingLot? Lot, NpgsqlDataSource? Database, Action<int> Handled);

/// <summary>
/// Handles what it is given one after the other. A key always goes to the same lane, so that its events keep their
/// order; lanes work side by side.
/// </summary>
internal abstract class Lane(LaneSetting setting)
{
    private readonly Channel<Taken> _waiting = Channel.CreateUnbounded<Taken>(new() { SingleReader = true });

    /// <summary>What waits for this lane.</summary>
    protected ChannelReader<Taken> Waiting => _waiting.Reader;

    /// <summary>Never waits: how much is under way is bounded by what the server delivers.</summary>
    public void Add(in Taken taken) => _waiting.Writer.TryWrite(taken);

    /// <summary>Works until <paramref name="stop"/>; what it did not get to stays in hand.</summary>
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
    protected ValueTask<WorkGate.Place> EnterAsync(CancellationToken ct) => setting.Lot?.Gate.EnterAsync(ct) ?? default;

    /// <summary>Whether it was delivered so often that it may be what takes the process down.</summary>
    protected bool IsSuspect(in Taken taken) => taken.Message.Delivered > setting.Options.MostDeliveries;

    /// <summary>Whether an event is not to be handled here and now; then the parking lot has it.</summary>
    /// <param name="taken">The event.</param>
    /// <param name="isNext">Whether nothing of its key is still to be handled before it.</param>
    protected bool IsHeld(in Taken taken, bool isNext = true)
    {
        if (setting.Lot is not { } lot)
            return false;
        if (lot.TryHold(taken.Context, taken.Message))
            return true;
        if (!isNext || !IsSuspect(taken))
            return false;
        // From the parking lot it is tried alone, and so often and no more.
        lot.ParkSuspect(taken.Context, taken.Message, $"it was delivered {taken.Message.Delivered} times and never answered");
        return true;
    }

    /// <summary>Handles what waits now, or a part of it.</summary>
    protected abstract Task HandleWaitingAsync(HandlerCall call, CancellationToken stop, CancellationToken abort);
}

/// <summary>Each event by itself, acknowledged when its handler is done.</summary>
internal sealed class AtLeastOnceLane(LaneSetting setting) : Lane(setting)
{
    private readonly LaneSetting _setting = setting;

    protected override async Task HandleWaitingAsync(HandlerCall call, CancellationToken stop, CancellationToken abort)
    {
        while (!stop.IsCancellationRequested && Waiting.TryRead(out var taken))
        {
            using var place = await EnterAsync(stop);
            if (IsHeld(taken))
                continue;
            try
            {
                using var activity = taken.Message.StartProcessing();
                await call.RunAsync(taken.Handle, taken.Context);
            }
            catch (Exception) when (abort.IsCancellationRequested)
            {
                return;
            }
            catch (Exception e)
            {
                await _setting.Failures.HandleAsync(taken, e, abort);
                continue;
            }
            await taken.AckAsync();
            _setting.Handled(1);
        }
    }
}
