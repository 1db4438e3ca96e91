using System.Globalization;
using System.Threading.Channels;
using NATS.Client.Core;
using NATS.Client.JetStream;
using NATS.Client.JetStream.Models;

namespace Watchword.Events.JetStream;

/// <summary>
/// Publishes to JetStream with many acks outstanding. Each message that <see cref="PublishAsync"/> accepts gives exactly
/// one result: its ack, a refusal, or after a drop or a time-out the news that nobody can tell.
/// </summary>
/// <remarks>Over NATS.Net's core with an inbox of its own: decision 1 has the figure against its <c>PublishConcurrentAsync</c>.</remarks>
internal sealed class PublishWindow : IAsyncDisposable
{
    private static readonly TimeSpan AckTimeout = TimeSpan.FromSeconds(5);

    private readonly JetStreamClient _client;
    private readonly string _inbox;
    private readonly INatsSub<PubAckResponse> _acks;
    private readonly Slot[] _slots;
    private readonly Stack<int> _free;
    private readonly SemaphoreSlim _room;
    private readonly Lock _gate = new();
    private readonly Channel<PublishResult> _results = Channel.CreateUnbounded<PublishResult>(new() { SingleReader = true });
    private readonly Timer _clock;
    private long _round;

    private readonly record struct Slot(long Token, long Tag, string Subject, Deadline Due);

    private PublishWindow(JetStreamClient client, string inbox, INatsSub<PubAckResponse> acks, int size)
    {
        (_client, _inbox, _acks) = (client, inbox, acks);
        _slots = new Slot[size];
        _free = new(Enumerable.Range(0, size).Reverse());
        _room = new(size);
        client.Dropped += OnDropped;
        client.PublishDenied += OnDenied;
        _clock = new(_ => Fail(s => s.Due.HasPassed, new NatsAwayException($"no ack came within {AckTimeout.TotalSeconds:0.#} s")), null, AckTimeout / 10, AckTimeout / 10);
        _ = Task.Run(SettleAsync);   // until the subscription ends
    }

    /// <summary>Opens a window.</summary>
    /// <param name="client">The connection.</param>
    /// <param name="size">How many messages may wait for their ack.</param>
    /// <param name="ct">Gives up.</param>
    /// <exception cref="NatsException">NATS is unreachable, or does not allow the inbox.</exception>
    public static async Task<PublishWindow> OpenAsync(JetStreamClient client, int size, CancellationToken ct)
    {
        client.ThrowIfAway();
        // NATS.Net routes what begins with the connection's own inbox to its requests: a wildcard below that gets nothing.
        var inbox = client.Context.NewBaseInbox();
        // The token given to NATS.Net would end the subscription later too, and with it the acks of what is under way.
        var acks = await client.Connection.SubscribeCoreAsync(inbox + ".*", serializer: NatsJSJsonSerializer<PubAckResponse>.Default,
            opts: new() { ChannelOpts = new() { Capacity = 2 * size } }, cancellationToken: CancellationToken.None).AsTask().WaitAsync(ct);
        return new(client, inbox, acks, size);
    }

    /// <summary>What became of the messages, in the order in which it became known.</summary>
    public ChannelReader<PublishResult> Results => _results.Reader;

    /// <summary>Hands a message to the connection; waits only while the window or the connection's buffer is full. When it throws, there is no result.</summary>
    /// <param name="subject">A subject of the stream.</param>
    /// <param name="payload">The content.</param>
    /// <param name="headers">Headers, which may be reused once this has completed.</param>
    /// <param name="tag">Comes back with the result.</param>
    /// <param name="ct">Gives up waiting.</param>
    /// <exception cref="NatsAwayException">NATS is unreachable.</exception>
    /// <exception cref="NatsPayloadTooLargeException">The server would refuse a message of that size.</exception>
    public async ValueTask PublishAsync(string subject, byte[] payload, NatsHeaders headers, long tag, CancellationToken ct)
    {
        await _room.WaitAsync(ct);
        var token = Take(subject, tag);
        try
        {
            _client.ThrowIfAway();
            var sending = _client.Connection.PublishAsync(subject, payload, headers, $"{_inbox}.{token.ToString(CultureInfo.InvariantCulture)}", cancellationToken: _client.Life);
            if (!sending.IsCompletedSuccessfully)
                await sending.AsTask().WaitAsync(AckTimeout, CancellationToken.None);   // it is handed over: its result must come
        }
        catch (Exception e)
        {
            if (!TryGiveBack(token))
                return;   // it has its result already
            if (e is NatsException || ct.IsCancellationRequested)
                throw;
            throw new NatsAwayException(e is TimeoutException ? "NATS takes no more messages" : "the connection to NATS broke", e);
        }
    }

    /// <summary>Ends it. What has no ack yet fails.</summary>
    public async ValueTask DisposeAsync()
    {
        _client.Dropped -= OnDropped;
        _client.PublishDenied -= OnDenied;
        await _clock.DisposeAsync();
        // NATS.Net 3.3.2 asks the server at the end, and waits for an unreachable one (NatsSubBase.DrainCoreAsync).
        await _acks.DisposeAsync().AsTask().WaitAsync(_client.Life).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Fail(_ => true, new NatsAwayException("the publisher was closed before the ack came"));
        _results.Writer.TryComplete();
    }

    private long Take(string subject, long tag)
    {
        lock (_gate)
        {
            var index = _free.Pop();
            // The remainder of a token is its place; its rounds make it unique. Zero marks a free place.
            var token = (++_round * _slots.Length) + index;
            _slots[index] = new(token, tag, subject, Deadline.After(AckTimeout));
            return token;
        }
    }

    private bool TryGiveBack(long token)
    {
        lock (_gate)
            return TryFree(token, out _);
    }

    // Under the lock. An answer that comes after its time-out finds another token in its place.
    private bool TryFree(long token, out Slot slot)
    {
        var index = (int)(token % _slots.Length);
        slot = _slots[index];
        if (slot.Token != token || token == 0)
            return false;
        _slots[index] = default;
        _free.Push(index);
        _room.Release();
        return true;
    }

    private async Task SettleAsync()
    {
        await foreach (var answer in _acks.Msgs.ReadAllAsync())
        {
            if (!long.TryParse(answer.Subject.AsSpan(_inbox.Length + 1), NumberStyles.None, CultureInfo.InvariantCulture, out var token) || token <= 0)
                continue;
            lock (_gate)
                if (TryFree(token, out var slot))
                    _results.Writer.TryWrite(Read(answer, slot));
        }
    }

    private static PublishResult Read(in NatsMsg<PubAckResponse> answer, in Slot slot) =>
        answer.HasNoResponders ? new(slot.Tag, 0, new NatsJSException($"no stream takes {slot.Subject}, or JetStream is unavailable"))
        : answer.Error is { } broken ? new(slot.Tag, 0, broken)
        : answer.Data is not { } ack ? new(slot.Tag, 0, new NatsJSException($"the answer to a publish on {slot.Subject} was empty"))
        : ack.Error is { } refused ? new(slot.Tag, 0, new NatsJSApiException(refused))
        : new(slot.Tag, ack.Seq, null);

    private void OnDropped() => Fail(_ => true, new NatsAwayException("the connection to NATS broke before the ack came"));

    private void OnDenied(string subject, NatsDeniedException reason) => Fail(s => s.Subject == subject, reason);

    private void Fail(Func<Slot, bool> which, NatsException reason)
    {
        lock (_gate)
            foreach (var slot in _slots)
                if (slot.Token != 0 && which(slot) && TryFree(slot.Token, out _))
                    _results.Writer.TryWrite(new(slot.Tag, 0, reason));
    }
}
