using Microsoft.Extensions.Logging;
using NATS.Client.Core;
using Watchword.Events.JetStream;

namespace Watchword.Events.Subscribing;

/// <summary>What becomes of an event whose handler failed.</summary>
internal sealed class FailurePolicy(string name, SubscriberOptions options, ParkingLot? lot, JetStream jetStream, ILogger logger)
{
    private readonly FailureCounts _failures = new();

    public async Task HandleAsync(Taken taken, Exception e, CancellationToken ct)
    {
        logger.HandlerFailed(e, name, taken.Context.Subject, taken.Context.Sequence);
        if (lot is null)
            await DeliverAgainAsync(taken, e, ct);
        else
            lot.Park(taken.Context, taken.Message, SubscriberFailure.Reason(e), 1,
                SubscriberFailure.IsLasting(e) || options.MaxDeliver == 1 ? null : options.DelayAfter(1));
    }

    // Without a database: the server delivers it again after a wait, others pass it, and the last time the stream of
    // dead letters has it before it is ended here.
    private async Task DeliverAgainAsync(Taken taken, Exception e, CancellationToken ct)
    {
        var (attempts, reason) = (_failures.Add(taken.Message), SubscriberFailure.Reason(e));
        // Where several processes share the work, each has seen a part of it.
        if (!SubscriberFailure.IsLasting(e) && attempts < options.MaxDeliver && taken.Message.Delivered <= options.MostDeliveries)
        {
            await taken.ReturnAsync(options.DelayAfter(attempts));
            return;
        }
        logger.EventParked(taken.Context.Subject, taken.Context.Sequence, taken.Context.Key ?? "", attempts, reason);
        try
        {
            await DeadLetterCopies.PublishAsync(jetStream, name, taken.Context, attempts, reason, ct);
            await taken.Message.TerminateAsync(reason, ct);
            taken.Hand.Done(taken.Message, keep: taken.Context.IsAbandoned);
        }
        catch (NatsException away)
        {
            logger.DeadLettersAway(name, away.Message);
            await taken.ReturnAsync(options.BackoffMax);
        }
    }
}
