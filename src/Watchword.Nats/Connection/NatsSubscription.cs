using System.Runtime.CompilerServices;
using System.Threading.Channels;

namespace Watchword.Nats;

/// <summary>
/// Messages of one subject, in order. A reader that is too slow loses the newest ones (they are counted): core NATS
/// delivers at most once, and one slow reader must not hold up the others. It lives on over reconnects; what was
/// published meanwhile is not delivered.
/// </summary>
public sealed class NatsSubscription : IAsyncDisposable, IReceiver
{
    private readonly NatsConnection _connection;
    private readonly Subscription _subscription;
    private readonly Channel<NatsMessage> _messages;
    private readonly SubjectCache _subjects = new();
    private readonly Readers _readers = new();
    private readonly int _capacity;
    private long _dropped;
    private bool _dropping;

    internal NatsSubscription(NatsConnection connection, string subject, string? queueGroup, int capacity, long? maxMessages)
    {
        _connection = connection;
        _capacity = capacity;
        _subscription = new Subscription(this, subject, queueGroup, maxMessages);
        _messages = Channel.CreateBounded<NatsMessage>(new BoundedChannelOptions(capacity) { SingleWriter = true });
        connection.Register(_subscription);
    }

    /// <summary>The subject subscribed to; it may hold wildcards.</summary>
    public string Subject => _subscription.Subject;

    /// <summary>How many messages were lost since the start because the reader was too slow.</summary>
    public long Dropped => Interlocked.Read(ref _dropped);

    /// <summary>Waits for the next message.</summary>
    /// <exception cref="NatsException">The subscription has ended: it was disposed, or the server refused it.</exception>
    public async ValueTask<NatsMessage> ReadAsync(CancellationToken ct = default)
    {
        while (await WaitToReadAsync(ct))
            if (TryRead(out var message))
                return message;
        throw new NatsException($"The subscription to '{Subject}' has ended.", isTransient: false);
    }

    /// <summary>Takes a message that has arrived already.</summary>
    public bool TryRead([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out NatsMessage? message)
    {
        if (!_messages.Reader.TryRead(out message))
            return false;
        NatsTelemetry.Read(_connection, Subject, _subscription.QueueGroup);
        return true;
    }

    /// <summary>Waits until there is something to read; false when the subscription has ended.</summary>
    /// <exception cref="NatsPermissionException">The server refused the subscription.</exception>
    public ValueTask<bool> WaitToReadAsync(CancellationToken ct = default) => _messages.Reader.WaitToReadAsync(ct);

    /// <summary>All messages until the subscription is disposed.</summary>
    /// <exception cref="NatsPermissionException">The server refused the subscription.</exception>
    public async IAsyncEnumerable<NatsMessage> ReadAllAsync([EnumeratorCancellation] CancellationToken ct = default)
    {
        using var reading = _readers.Enter();
        while (await WaitToReadAsync(ct))
            while (TryRead(out var message))
                yield return message;
    }

    /// <summary>Ends in good order: nothing more is asked for, and what has arrived can still be read. Completes when it has been.</summary>
    /// <exception cref="OperationCanceledException">It was not read in time; the subscription has ended all the same.</exception>
    public async ValueTask DrainAsync(CancellationToken ct = default)
    {
        await _connection.FinishAsync(_subscription, ct);
        await FinishAsync().WaitAsync(ct);
    }

    /// <summary>Ends the subscription. Safe to call twice.</summary>
    public ValueTask DisposeAsync()
    {
        _connection.Unregister(_subscription);
        _messages.Writer.TryComplete();
        return default;
    }

    bool IReceiver.IsInbox => false;

    Task IReceiver.DrainAsync() => FinishAsync();

    void IReceiver.OnMessage(in Frame frame)
    {
        var message = new NatsMessage(_subjects.Get(frame.Subject), frame);
        if (_messages.Writer.TryWrite(message))
        {
            // An episode is over when the reader has caught up halfway, not when one place came free.
            if (_dropping && _messages.Reader.Count <= _capacity / 2)
                _dropping = false;
            return;
        }

        Interlocked.Increment(ref _dropped);
        message.Dispose();
        NatsTelemetry.Dropped(_connection, Subject);
        if (_dropping)
            return;
        _dropping = true;
        _connection.Log.SlowConsumer(Subject, _capacity, Dropped);
    }

    void IReceiver.OnEnded(NatsException? reason) => _messages.Writer.TryComplete(reason);

    private Task FinishAsync()
    {
        _messages.Writer.TryComplete();
        return _readers.DoneAsync(_messages.Reader.Completion);
    }
}
