using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using NATS.Client.Core;
using NATS.Client.JetStream.Models;
using Watchword.Events.JetStream;

namespace Watchword.Events.Subscribing;

/// <summary>Reads one stream for a subscriber and hands its events to the lanes.</summary>
/// <remarks>
/// Events that were unanswered when a process or a connection broke come again only after the ack wait, and new ones
/// would overtake them. New events are therefore held back until everything that the server counts as delivered is in
/// hand; meanwhile the ack wait is short.
/// </remarks>
internal sealed class DurableReader(
    string name, string stream, EventHandlers handlers, SubscriberOptions options, JetStreamClient jetStream, ILogger logger)
{
    private static readonly TimeSpan LeastPatience = TimeSpan.FromSeconds(10);   // a busy server is slow
    private static readonly TimeSpan DrainPatience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan OthersPatience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan SettlePoll = TimeSpan.FromMilliseconds(100);

    private readonly Durable _durable = new(stream, options.Consumer(name, handlers.FilterOf(stream)), jetStream, logger);
    private readonly TaskCompletionSource _settled = new();
    private readonly List<Delivery> _held = [];
    private volatile bool _dropped;
    private bool _holding;
    private Deadline _giveUp;

    private Deadline Patience => Deadline.After(AckWait * 2 > LeastPatience ? AckWait * 2 : LeastPatience);

    /// <summary>The stream.</summary>
    public string Stream { get; } = stream;

    /// <summary>What this process has taken from the stream.</summary>
    public InHand Hand { get; } = new(options.MaxInFlight);

    /// <summary>How long the server waits for a sign of life.</summary>
    public TimeSpan AckWait => _durable.AckWait;

    /// <summary>Completes when the events that were unanswered at the beginning are with the lanes.</summary>
    public Task Settled => _settled.Task;

    /// <summary>Waits for the stream where that is not there yet, and makes the durable consumer.</summary>
    public async Task PrepareAsync(CancellationToken ct)
    {
        await _durable.WaitForStreamAsync(() => _settled.TrySetResult(), ct);
        var consumer = await AloneAsync(await _durable.EnsureAsync(ct), ct);
        if (consumer.NumAckPending > 0)
            await HoldAsync(ct);
        else
            _settled.TrySetResult();
    }

    // A process that has lost its lease and does not know it yet still asks for events.
    private async Task<ConsumerInfo> AloneAsync(ConsumerInfo consumer, CancellationToken ct)
    {
        for (var giveUp = Deadline.After(OthersPatience); consumer.NumWaiting > 0 && !giveUp.HasPassed;)
        {
            await Task.Delay(SettlePoll, ct);
            consumer = await _durable.FindAsync(ct) ?? consumer with { NumWaiting = 0 };
        }
        if (consumer.NumWaiting > 0)
            logger.OthersRead(name, Stream);
        return consumer;
    }

    /// <summary>Reads until cancelled.</summary>
    /// <exception cref="NatsException">The consumer was deleted.</exception>
    public async Task RunAsync(Action<EventContext> dispatch, CancellationToken ct)
    {
        jetStream.Dropped += OnDropped;
        _giveUp = Patience;   // nothing can come before
        try
        {
            await using var messages = await DurableMessages.OpenAsync(jetStream, Stream, name, options.MaxInFlight, ct);
            try
            {
                while (await IsReadableAsync(messages.Reader, dispatch, ct))
                    while (messages.Reader.TryRead(out var message))
                        await TakeAsync(message, dispatch, ct);
            }
            catch (OperationCanceledException) when (ct.IsCancellationRequested)
            {
                await DrainAsync(messages);
                throw;
            }
        }
        finally
        {
            jetStream.Dropped -= OnDropped;
        }
    }

    // Takes what is on its way, to give it back with the rest: otherwise the next process would wait for it.
    private async Task DrainAsync(DurableMessages messages)
    {
        using var patience = new CancellationTokenSource(DrainPatience);
        messages.Drain();
        try
        {
            await foreach (var message in messages.Reader.ReadAllAsync(patience.Token))
                Hand.TryTake(message, out _);
        }
        catch (Exception e) when (e is OperationCanceledException or NatsException)
        {
            // NATS is unreachable: the events come again.
        }
    }

    private void OnDropped() => _dropped = true;

    private async Task<bool> IsReadableAsync(ChannelReader<Delivery> messages, Action<EventContext> dispatch, CancellationToken ct)
    {
        if (!_holding)
            return await messages.WaitToReadAsync(ct);
        await Hand.TouchAsync();   // the ack wait of what is here must not run out
        if (await IsSettledAsync(ct))
            await ReleaseAsync(dispatch, ct);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct);
        patience.CancelAfter(SettlePoll);
        try
        {
            return await messages.WaitToReadAsync(patience.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return true;
        }
    }

    private async ValueTask TakeAsync(Delivery message, Action<EventContext> dispatch, CancellationToken ct)
    {
        var isNew = Hand.TryTake(message, out var done);   // first: a stop gives back what is in hand
        if (_dropped)
        {
            _dropped = false;
            await jetStream.WaitUntilOpenAsync(ct);
            await HoldAsync(ct);
        }
        if (done)
            await message.AckAsync();   // the first ack was lost
        else if (isNew && _holding)
            _held.Add(message);
        else if (isNew)
            await DispatchAsync(message, dispatch);
    }

    private async ValueTask DispatchAsync(Delivery message, Action<EventContext> dispatch)
    {
        var context = new EventContext(message, Hand, handlers.Find(Stream, message.Subject));
        if (context.Handle is not null && !(options.SkipOrigin is { } own && context.Origin == own))
            dispatch(context);
        else
            await context.AckAsync();
    }

    private async Task HoldAsync(CancellationToken ct)
    {
        _holding = true;
        _giveUp = Patience;
        await _durable.ShortenAckWaitAsync(ct);
    }

    // While events are held nothing new is asked for: what is unanswered arrives, and the two counts meet.
    private async Task<bool> IsSettledAsync(CancellationToken ct)
    {
        if (_giveUp.HasPassed)
        {
            logger.OrderNotSettled(name, Stream);
            return true;
        }
        var (taken, left) = Hand.Count();
        if (await _durable.FindAsync(ct) is not { } consumer)
            return true;
        // An event that was answered meanwhile must not be counted in place of one that is still to come.
        return consumer.NumAckPending <= taken - (Hand.Count().Left - left);
    }

    private async Task ReleaseAsync(Action<EventContext> dispatch, CancellationToken ct)
    {
        _holding = false;
        await _durable.RestoreAckWaitAsync(ct);
        _held.Sort((a, b) => a.Sequence.CompareTo(b.Sequence));
        foreach (var message in _held)
            await DispatchAsync(message, dispatch);
        _held.Clear();
        _settled.TrySetResult();
    }
}
