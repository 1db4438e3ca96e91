using Microsoft.Extensions.Logging;
using NATS.Client.Core;
using Watchword.Events.JetStream;

namespace Watchword.Events.Subscribing;

/// <summary>Every process gets every event, from now on and in order; a handler that fails is told of, and the next event follows.</summary>
internal sealed class FanOutSubscriber(
    string name, SubscriberBuilder subscriber, JetStream jetStream, bool ownsConnection, IServiceProvider services, ILogger<FanOutSubscriber> logger)
    : BackgroundLoop(logger), IAsyncDisposable
{
    private static readonly TimeSpan StreamPoll = TimeSpan.FromMilliseconds(250);

    /// <inheritdoc/>
    protected override TimeSpan StopPatience => subscriber.Options.DrainTimeout + base.StopPatience;

    /// <inheritdoc/>
    protected override async Task RunAsync(CancellationToken ct)
    {
        await jetStream.Connection.WaitUntilOpenAsync(ct);
        // Handlers at work may end when nothing more is read.
        using var abort = new CancellationTokenSource();
        await using var drain = ct.Register(() => abort.CancelAfter(subscriber.Options.DrainTimeout));
        await Task.WhenAll(subscriber.Handlers.Streams.Select(s => ReadForEverAsync(s, ct, abort.Token)));
    }

    // Each by itself: a stream that ends must not make the others begin anew.
    private async Task ReadForEverAsync(string stream, CancellationToken ct, CancellationToken abort)
    {
        while (true)
        {
            try
            {
                await ReadAsync(stream, ct, abort);
            }
            catch (NatsException e)
            {
                logger.FanOutInterrupted(name, stream, e.Message);
            }
            await Task.Delay(StreamPoll, ct);
        }
    }

    private async Task ReadAsync(string stream, CancellationToken ct, CancellationToken abort)
    {
        while (await jetStream.FindStreamAsync(stream, ct) is null)
            await Task.Delay(StreamPoll, ct);
        await using var messages = await jetStream.OrderedConsumeAsync(stream, new() { DeliverPolicy = subscriber.Options.StartAt }, ct);
        using var call = new HandlerCall(services, subscriber.Options.HandlerTimeout, abort);
        logger.SubscriberReads(name, stream);
        await foreach (var message in messages.ReadAllAsync(ct))
        {
            var context = new EventContext(message, attempt: 1);
            await HandleAsync(context, call, abort);
            if (!context.IsAbandoned)
                message.Dispose();
            ct.ThrowIfCancellationRequested();   // what has come already is handed out without a look at it
        }
    }

    private async Task HandleAsync(EventContext context, HandlerCall call, CancellationToken abort)
    {
        if (subscriber.Handlers.Find(context.Stream, context.Subject) is not { } handle || (subscriber.Options.SkipOrigin is { } own && context.Origin == own))
            return;
        try
        {
            await call.RunAsync(handle, context);
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
            await jetStream.Connection.DisposeAsync();
    }
}
