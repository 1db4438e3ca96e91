using Microsoft.Extensions.Logging;
using NATS.Client.Core;
using Watchword.Events.JetStream;

namespace Watchword.Events.Subscribing;

/// <summary>Reads one stream for a subscriber: gives what comes to the lanes.</summary>
/// <remarks>
/// What was under way when a process or a connection broke comes again only after the ack wait, and new events would
/// pass it. Where order is kept (one process reads, by lease), events are therefore held back until everything that
/// the server counts as delivered is in hand; the ack wait is shortened for that moment.
/// </remarks>
internal sealed class DurableReader(
    string name, string stream, EventHandlers handlers, SubscriberOptions options, bool keepsOrder, ReadBefore before, JetStream jetStream, NatsConnection nats, ILogger logger)
{
    private static readonly TimeSpan StreamPoll = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LeastPatience = TimeSpan.FromSeconds(10);   // a busy server is late
    private static readonly TimeSpan DrainPatience = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan OthersPatience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan SettlePoll = TimeSpan.FromMilliseconds(100);

    private readonly Durable _durable = new(name, stream, options, jetStream, logger);
    private readonly TaskCompletionSource _settled = new();
    private readonly List<JetStreamMessage> _held = [];
    private volatile bool _dropped;
    private bool _holding;
    private long _giveUpAt;

    private long GiveUpAt => Environment.TickCount64 + (long)Math.Max((AckWait * 2).TotalMilliseconds, LeastPatience.TotalMilliseconds);

    /// <summary>The stream.</summary>
    public string Stream { get; } = stream;

    /// <summary>What this process has taken of the stream.</summary>
    public InHand Hand { get; } = new(options.MaxInFlight);

    /// <summary>How long the server waits for a sign of life.</summary>
    public TimeSpan AckWait => _durable.AckWait;

    /// <summary>Completes when what was under way at the beginning is given to the lanes.</summary>
    public Task Settled => _settled.Task;

    /// <summary>Makes the consumer when it is missing, and waits for the stream where that is not there yet.</summary>
    public async Task PrepareAsync(CancellationToken ct)
    {
        for (var told = false; await jetStream.FindStreamAsync(Stream, ct) is null; told = true)
        {
            if (!told)
                logger.WaitsForStream(name, Stream);
            _settled.TrySetResult();   // nothing of it is under way
            await Task.Delay(StreamPoll, ct);
        }
        var startAt = await before.HasAsync(Stream, ct) ? DeliverPolicy.All : options.StartAt;
        var consumer = await _durable.EnsureAsync(handlers.FilterOf(Stream), startAt, ct);
        await before.RememberAsync(Stream, ct);
        if (keepsOrder)
            consumer = await AloneAsync(consumer, ct);
        if (keepsOrder && consumer.AckPending > 0)
            await HoldAsync(ct);
        else
            _settled.TrySetResult();
    }

    // One that has lost its lease without having noticed yet asks for events still.
    private async Task<ConsumerInfo> AloneAsync(ConsumerInfo consumer, CancellationToken ct)
    {
        for (var since = Environment.TickCount64; consumer.Waiting > 0 && Environment.TickCount64 - since < OthersPatience.TotalMilliseconds;)
        {
            await Task.Delay(SettlePoll, ct);
            consumer = await _durable.FindAsync(ct) ?? consumer with { Waiting = 0 };
        }
        if (consumer.Waiting > 0)
            logger.OthersRead(name, Stream);
        return consumer;
    }

    /// <summary>Reads until cancelled.</summary>
    /// <exception cref="JetStreamApiException">The consumer was deleted.</exception>
    public async Task RunAsync(Action<Taken> dispatch, CancellationToken ct)
    {
        nats.StateChanged += OnStateChanged;
        _giveUpAt = GiveUpAt;   // only now anything can come
        try
        {
            await using var consumer = await jetStream.ConsumeAsync(Stream, name, new() { MaxMessages = options.MaxInFlight }, ct);
            try
            {
                while (await IsReadableAsync(consumer, dispatch, ct))
                    while (consumer.TryRead(out var message))
                        await TakeAsync(message, dispatch, ct);
            }
            catch (OperationCanceledException) when (ct.IsCancellationRequested)
            {
                await DrainAsync(consumer);
                throw;
            }
        }
        finally
        {
            nats.StateChanged -= OnStateChanged;
        }
    }

    // What is on its way here is taken, to be given back with the rest: dropped, the next process would wait for it.
    private async Task DrainAsync(PullConsumer consumer)
    {
        using var patience = new CancellationTokenSource(DrainPatience);
        try
        {
            var draining = consumer.DrainAsync(patience.Token).AsTask();
            while (await consumer.WaitToReadAsync(patience.Token))
                while (consumer.TryRead(out var message))
                    if (!Hand.TryTake(message, out _))
                        message.Dispose();
            await draining;
        }
        catch (Exception e) when (e is OperationCanceledException or NatsException)
        {
            // Away: it comes again by itself.
        }
    }

    private void OnStateChanged(NatsConnectionState state)
    {
        if (state != NatsConnectionState.Open)
            _dropped = keepsOrder;
    }

    private async Task<bool> IsReadableAsync(PullConsumer consumer, Action<Taken> dispatch, CancellationToken ct)
    {
        if (!_holding)
            return await consumer.WaitToReadAsync(ct);
        await Hand.TouchAsync(ct);   // what is here must not run out meanwhile
        if (await IsSettledAsync(ct))
            await ReleaseAsync(dispatch, ct);
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(ct);
        patience.CancelAfter(SettlePoll);
        try
        {
            return await consumer.WaitToReadAsync(patience.Token);
        }
        catch (OperationCanceledException) when (!ct.IsCancellationRequested)
        {
            return true;
        }
    }

    private async ValueTask TakeAsync(JetStreamMessage message, Action<Taken> dispatch, CancellationToken ct)
    {
        var isNew = Hand.TryTake(message, out var done);   // first: a stop gives back what is in hand
        if (_dropped)
        {
            _dropped = false;
            await nats.WaitUntilOpenAsync(ct);
            await HoldAsync(ct);
        }
        if (!isNew)
        {
            if (done)
                await new Taken(null!, message, Hand, null!).AckAsync();   // its first answer was lost
            message.Dispose();
        }
        else if (_holding)
        {
            _held.Add(message);
        }
        else
        {
            await DispatchAsync(message, dispatch);
        }
    }

    private async ValueTask DispatchAsync(JetStreamMessage message, Action<Taken> dispatch)
    {
        var context = new EventContext(message, keepsOrder ? 1 : message.Delivered);
        if (handlers.Find(Stream, message.Subject) is { } handle && !(options.SkipOrigin is { } own && context.Origin == own))
            dispatch(new(context, message, Hand, handle));
        else
            await new Taken(context, message, Hand, null!).AckAsync();
    }

    private async Task HoldAsync(CancellationToken ct)
    {
        _holding = true;
        _giveUpAt = GiveUpAt;
        await _durable.ShortenAckWaitAsync(ct);
    }

    // While events are held the flow comes to a stand, so that what is under way arrives and the two counts meet.
    private async Task<bool> IsSettledAsync(CancellationToken ct)
    {
        if (Environment.TickCount64 > _giveUpAt)
        {
            logger.OrderNotSettled(name, Stream);
            return true;
        }
        var (taken, left) = Hand.Count();
        if (await _durable.FindAsync(ct) is not { } consumer)
            return true;
        // What was answered meanwhile must not stand in for what is still to come.
        return consumer.AckPending <= taken - (Hand.Count().Left - left);
    }

    private async Task ReleaseAsync(Action<Taken> dispatch, CancellationToken ct)
    {
        _holding = false;
        await _durable.RestoreAckWaitAsync(ct);
        _held.Sort((a, b) => a.StreamSequence.CompareTo(b.StreamSequence));
        foreach (var message in _held)
            await DispatchAsync(message, dispatch);
        _held.Clear();
        _settled.TrySetResult();
    }
}
