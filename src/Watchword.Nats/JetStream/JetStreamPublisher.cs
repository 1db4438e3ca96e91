using System.Runtime.InteropServices;
using System.Threading.Channels;

namespace Watchword.Nats;

/// <summary>
/// Publishes to JetStream with many acks outstanding. Each message that <see cref="PublishAsync"/> accepts gives
/// exactly one <see cref="PublishResult"/>, in whatever order the answers come: an ack, a refusal, a time-out, or a
/// drop. Nothing is sent again: the caller knows the order it needs, and owns the outbox. Several threads may publish;
/// messages of one thread are sent in its order.
/// </summary>
public sealed class JetStreamPublisher : IAsyncDisposable, IReceiver
{
    private readonly NatsConnection _connection;
    private readonly JetStreamPublisherOptions _options;
    private readonly Inbox _inbox;
    private readonly Subscription _subscription;
    private readonly PublishAckReader _acks = new();
    private readonly Channel<PublishResult> _results = Channel.CreateUnbounded<PublishResult>();
    private readonly Timer _clock;
    private readonly Lock _gate = new();
    private readonly Slot[] _slots;
    private readonly Stack<int> _free;

    // A publisher that woke for every single place would send, and have the server read, one message at a time.
    private readonly int _roomToWake;
    private TaskCompletionSource? _room;
    private TaskCompletionSource? _settled;
    private long _round;
    private bool _disposed;

    internal JetStreamPublisher(NatsConnection connection, JetStreamPublisherOptions options)
    {
        options.Validate();
        _connection = connection;
        _inbox = new(connection);
        _options = options;
        _slots = new Slot[options.MaxInFlight];
        _roomToWake = (options.MaxInFlight + 7) / 8;
        _free = new Stack<int>(Enumerable.Range(0, options.MaxInFlight).Reverse());
        _subscription = new Subscription(this, _inbox.Wildcard);
        connection.Register(_subscription);
        NatsTelemetry.Add(this);
        _clock = new Timer(static me => ((JetStreamPublisher)me!).ExpireOld(), this, options.AckTimeout / 10, options.AckTimeout / 10);
    }

    /// <summary>What became of the messages. It is not bounded: read it as you publish. It ends when the publisher is disposed.</summary>
    public ChannelReader<PublishResult> Results => _results.Reader;

    internal NatsConnection Connection => _connection;

    /// <summary>How many messages wait for their ack.</summary>
    public int InFlight
    {
        get
        {
            lock (_gate)
                return _slots.Length - _free.Count;
        }
    }

    /// <summary>
    /// Publishes. Completes when the message is in the write buffer; waits only when
    /// <see cref="JetStreamPublisherOptions.MaxInFlight"/> acks are outstanding, until an eighth of them has come, or
    /// while that buffer is full. When it throws, the message was not accepted and gives no result.
    /// </summary>
    /// <param name="subject">A subject of the stream.</param>
    /// <param name="payload">The content; it may be reused once this has completed.</param>
    /// <param name="headers">Headers, <c>Nats-Msg-Id</c> among them; they may be reused once this has completed.</param>
    /// <param name="tag">Comes back with the result.</param>
    /// <param name="ct">Gives up waiting.</param>
    /// <exception cref="NatsDisconnectedException">The connection is away.</exception>
    /// <exception cref="NatsPayloadTooLargeException">The server would refuse a message of that size.</exception>
    public ValueTask PublishAsync(
        string subject, ReadOnlyMemory<byte> payload, NatsHeaders? headers, long tag, CancellationToken ct = default)
    {
        ct.ThrowIfCancellationRequested();
        var operation = SendOperation.Begin(_connection, "publish", subject, payload.Length, headers);
        try
        {
            return TryPublish(operation, subject, payload.Span, headers, tag, out var wait)
                ? default
                : PublishWhenRoomAsync(operation, wait, subject, payload, headers, tag, ct);
        }
        catch (Exception e)
        {
            operation.End(_connection, e);
            throw;
        }
    }

    /// <summary>Fails what is still under way and ends <see cref="Results"/>. Safe to call twice.</summary>
    public async ValueTask DisposeAsync()
    {
        _connection.Unregister(_subscription);
        End(new NatsDisconnectedException("The publisher was disposed before the ack came."));
        await _clock.DisposeAsync();
    }

    bool IReceiver.IsInbox => true;

    Task IReceiver.DrainAsync()
    {
        lock (_gate)
        {
            if (_free.Count == _slots.Length)
                return Task.CompletedTask;
            return (_settled ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }

    void IReceiver.OnPublishDenied(string subject, NatsPermissionException reason) => FailAll(reason, subject);

    void IReceiver.OnMessage(in Frame frame)
    {
        if (!_inbox.TryReadToken(frame.Subject, out var token))
            return;
        var (ack, error) = (default(PublishAck), default(NatsException));
        var unheard = frame.Payload.IsEmpty;
        try
        {
            if (!unheard)
                ack = _acks.Read(frame.Payload);
        }
        catch (NatsException e)
        {
            error = e;
        }

        TaskCompletionSource? room = null;
        lock (_gate)
        {
            // An answer that comes after its time-out finds another token in its place.
            var index = (int)(token % _slots.Length);
            if (_slots[index].Token == token)
                room = Complete(index, ack, unheard ? new NatsNoRespondersException(_slots[index].Subject) : error);
        }

        room?.TrySetResult();
    }

    void IReceiver.OnDisconnected(NatsException reason)
        => FailAll(new NatsDisconnectedException("The connection dropped before the ack came.", reason));

    void IReceiver.OnEnded(NatsException? reason)
        => End(reason ?? new NatsDisconnectedException("The connection was disposed before the ack came."));

    private bool TryPublish(SendOperation operation, string subject, ReadOnlySpan<byte> payload, NatsHeaders? headers, long tag, out Task wait)
    {
        var text = SubjectText.Checked(subject);
        Span<byte> reply = stackalloc byte[_inbox.MaxSubjectLength];
        wait = Task.CompletedTask;
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            if (!_free.TryPeek(out var index))
            {
                _room ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                wait = _room.Task;
                return false;
            }

            // The remainder of a token is its place, and its rounds make it unique. Zero marks an empty place.
            var token = ++_round * _slots.Length + index;
            var replyTo = new SubjectText((ReadOnlySpan<byte>)reply[.._inbox.Write(token, reply)]);
            switch (_connection.TryPublish(text, replyTo, headers, payload, operation.Context(subject)))
            {
                case PublishOutcome.Accepted:
                    _free.Pop();
                    _slots[index] = new Slot(token, tag, subject, Environment.TickCount64 + (long)_options.AckTimeout.TotalMilliseconds, operation);
                    return true;
                case PublishOutcome.Full:
                    wait = _connection.WaitForSpaceAsync(CancellationToken.None);
                    return false;
                default:
                    throw _connection.Unavailable();
            }
        }
    }

    private async ValueTask PublishWhenRoomAsync(
        SendOperation operation, Task wait, string subject, ReadOnlyMemory<byte> payload, NatsHeaders? headers, long tag, CancellationToken ct)
    {
        try
        {
            do
                await wait.WaitAsync(ct);
            while (!TryPublish(operation, subject, payload.Span, headers, tag, out wait));
        }
        catch (Exception e)
        {
            operation.End(_connection, e);
            throw;
        }
    }

    private void ExpireOld()
    {
        TaskCompletionSource? room = null;
        var now = Environment.TickCount64;
        lock (_gate)
            for (var i = 0; i < _slots.Length; i++)
                if (_slots[i].Token != 0 && _slots[i].Deadline <= now)
                    room = Complete(i, default, new NatsTimeoutException($"No ack within {_options.AckTimeout.TotalSeconds:0.###} s.")) ?? room;
        room?.TrySetResult();
    }

    private void FailAll(NatsException reason, string? subject = null)
    {
        TaskCompletionSource? room = null;
        lock (_gate)
            for (var i = 0; i < _slots.Length; i++)
                if (_slots[i].Token != 0 && (subject is null || _slots[i].Subject == subject))
                    room = Complete(i, default, reason) ?? room;
        room?.TrySetResult();
    }

    private void End(NatsException reason)
    {
        TaskCompletionSource? room;
        lock (_gate)
        {
            _disposed = true;
            (room, _room) = (_room, null);
        }

        FailAll(reason);
        NatsTelemetry.Remove(this);
        room?.TrySetResult();
        _results.Writer.TryComplete();
    }

    /// <summary>Under the lock: gives the result and frees the place. Whoever waits is woken outside the lock, once it is worth it.</summary>
    private TaskCompletionSource? Complete(int index, PublishAck ack, NatsException? error)
    {
        _results.Writer.TryWrite(new PublishResult(_slots[index].Tag, ack, error));
        _slots[index].Operation.End(_connection, error);
        _slots[index] = default;
        _free.Push(index);
        if (_free.Count == _slots.Length)
            _settled?.TrySetResult();
        if (_free.Count < _roomToWake)
            return null;
        var room = _room;
        _room = null;
        return room;
    }

    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Slot(long Token, long Tag, string Subject, long Deadline, SendOperation Operation);
}
