using Microsoft.Extensions.Logging;
using NATS.Client.Core;
using NATS.Client.JetStream.Models;
using Watchword.Events.JetStream;

namespace Watchword.Events.Subscribing;

/// <summary>Every process gets every event, from now on and in order. A handler that fails is logged, and the next event follows.</summary>
internal sealed class FanOutSubscriber(
    string name, SubscriberBuilder subscriber, JetStreamClient jetStream, bool ownsConnection, IServiceProvider services, ILogger<FanOutSubscriber> logger)
    : BackgroundLoop(logger), IAsyncDisposable
{
    private const int MaxMessages = 1_000;
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(1);

    /// <inheritdoc/>
    protected override TimeSpan StopPatience => subscriber.Options.DrainTimeout + base.StopPatience;

    /// <inheritdoc/>
    protected override async Task RunAsync(CancellationToken ct)
    {
        await jetStream.WaitUntilOpenAsync(ct);
        // Handlers at work may finish when nothing more is read.
        using var abort = new CancellationTokenSource();
        await using var drain = ct.Register(() => abort.CancelAfter(subscriber.Options.DrainTimeout));
        await Task.WhenAll(subscriber.Handlers.Streams.Select(s => ReadForEverAsync(s, ct, abort.Token)));
    }

    // Each by itself: a stream that ends must not restart the others. The first time it starts behind the stream's end;
    // after an interruption behind what came last, for what was published meanwhile is for this process too.
    private async Task ReadForEverAsync(string stream, CancellationToken ct, CancellationToken abort)
    {
        ulong? next = null;
        while (true)
        {
            try
            {
                if (await jetStream.FindStreamAsync(stream, ct) is { } found)
                {
                    var end = found.State.LastSeq + 1;
                    next = next is { } known && known <= end ? known : end;   // a stream that was wiped counts from the start again
                    await ReadAsync(stream, next.Value, sequence => next = sequence + 1, ct, abort);
                }
                else
                {
                    next = 1;   // everything in it will be new
                }
            }
            catch (NatsException e)
            {
                logger.FanOutInterrupted(name, stream, e.Message);
            }
            await Task.Delay(RetryDelay, ct);
        }
    }

    private async Task ReadAsync(string stream, ulong from, Action<ulong> handled, CancellationToken ct, CancellationToken abort)
    {
        var consumer = await jetStream.CallAsync(
            async c => await jetStream.Context.CreateOrderedConsumerAsync(
                stream, new() { DeliverPolicy = ConsumerConfigDeliverPolicy.ByStartSequence, OptStartSeq = from }, c),
            ["CONSUMER", "CREATE", stream], ct);
        using var call = new HandlerCall(services, subscriber.Options.HandlerTimeout, abort);
        logger.SubscriberReads(name, stream);
        await foreach (var message in consumer.ConsumeAsync<byte[]>(opts: new() { MaxMsgs = MaxMessages, IdleHeartbeat = Heartbeat }, cancellationToken: ct))
        {
            var delivery = new Delivery(message);
            await HandleAsync(new(delivery, handle: subscriber.Handlers.Find(stream, delivery.Subject)), call, abort);
            handled(delivery.Sequence);
            ct.ThrowIfCancellationRequested();
        }
    }

    private async Task HandleAsync(EventContext context, HandlerCall call, CancellationToken abort)
    {
        if (context.Handle is null || (subscriber.Options.SkipOrigin is { } own && context.Origin == own))
            return;
        try
        {
            await call.RunAsync(context.Handle, context);
        }
        catch (Exception e) when (!abort.IsCancellationRequested)
        {
            logger.FanOutFailed(name, context.Subject, context.Sequence, SubscriberFailure.Reason(e));
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Dispose();
        if (ownsConnection)
            await jetStream.DisposeAsync();
    }
}
