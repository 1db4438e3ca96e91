using Microsoft.Extensions.Logging;
using NATS.Client.Core;
using Watchword.Events.JetStream;

namespace Watchword.Events.Subscribing;

/// <summary>Every process gets every event, from now on and in order. A handler that fails is logged, and the next event follows.</summary>
internal sealed class FanOutSubscriber(
    string name, SubscriberBuilder subscriber, JetStreamClient jetStream, bool ownsConnection, IServiceProvider services, ILogger<FanOutSubscriber> logger)
    : BackgroundLoop(logger), IAsyncDisposable
{
    private const int MaxMessages = 1_000;
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(250);

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

    // Each by itself: a stream that ends must not restart the others. It starts behind the stream's end. After an interruption
    // it resumes behind the last event that it handled; a stream that was made again is read from its beginning.
    private async Task ReadForEverAsync(string stream, CancellationToken ct, CancellationToken abort)
    {
        using var call = new HandlerCall(services, subscriber.Options.HandlerTimeout, abort);
        ulong? next = null;
        while (true)
        {
            try
            {
                var end = (await jetStream.FindStreamAsync(stream, ct))?.State.LastSeq;
                next ??= end + 1;
                if (end is not null)
                {
                    logger.SubscriberReads(name, stream);
                    await foreach (var message in StoredMessages.FollowAsync(jetStream, stream, new() { Sequence = next <= end + 1 ? next.Value : 1, Batch = MaxMessages }, ct))
                    {
                        await HandleAsync(new(message, handle: subscriber.Handlers.Find(stream, message.Subject)), call, abort);
                        next = message.Sequence + 1;
                        ct.ThrowIfCancellationRequested();
                    }
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
