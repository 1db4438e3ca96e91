using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Text.Unicode;
using System.Threading.Channels;

namespace Watchword.Nats;

/// <summary>
/// Reads a pull consumer without pause (ADR-37): one subscription for its whole life, several thousand messages ahead
/// if wanted, more asked for when half are read. It goes on by itself after reconnects, leader changes and missed
/// heartbeats, so a message may come twice but none is lost. Several threads may read.
/// </summary>
public sealed class PullConsumer : IAsyncDisposable, IReceiver
{
    private readonly NatsConnection _connection;
    private readonly Subscription _subscription;
    private readonly PullWindow _window;
    private readonly ConsumeOptions _options;
    private readonly string _stream;
    private readonly string _consumer;
    private readonly string _pullSubject;

    // Unbounded, yet it cannot grow: only what was pulled is sent, and what is unread counts as pulled.
    private readonly Channel<JetStreamMessage> _messages = Channel.CreateUnbounded<JetStreamMessage>();
    private readonly SubjectCache _subjects = new();
    private readonly PullRecovery _recovery;
    private readonly Readers _readers = new();
    private readonly Lock _gate = new();
    private readonly bool _endsInDoubt;
    private bool _paused = true;
    private bool _ended;
    private bool _refused; // nothing is asked until the recovery says so

    /// <param name="jetStream">Where it is.</param>
    /// <param name="stream">The stream.</param>
    /// <param name="consumer">The consumer.</param>
    /// <param name="options">How much to ask for.</param>
    /// <param name="endsInDoubt">Ends, rather than goes on, after a drop, missed heartbeats or a refusal: whoever reads without acks must look for what is lost.</param>
    internal PullConsumer(JetStream jetStream, string stream, string consumer, ConsumeOptions options, bool endsInDoubt = false)
    {
        _connection = jetStream.Connection;
        (_stream, _consumer, _options, _endsInDoubt) = (stream, consumer, options, endsInDoubt);
        _pullSubject = $"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}";
        _window = new PullWindow(options);
        _subscription = new Subscription(this, new Inbox(_connection).Name);
        _recovery = new PullRecovery(jetStream, stream, consumer, options, IsWaiting, PullAfresh, End);
        _connection.Register(_subscription);
        if (_connection.State == NatsConnectionState.Open)
            Resume();
    }

    /// <summary>Waits until there is something to read; false when this was disposed.</summary>
    /// <exception cref="JetStreamApiException">The consumer was deleted or cannot be pulled from; messages read before it stand.</exception>
    public ValueTask<bool> WaitToReadAsync(CancellationToken ct = default) => _messages.Reader.WaitToReadAsync(ct);

    /// <summary>Takes a message that has arrived already.</summary>
    public bool TryRead([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out JetStreamMessage? message)
    {
        if (!_messages.Reader.TryRead(out message))
            return false;
        lock (_gate)
        {
            _window.Read(message.PullSize);
            PullIfLow();
        }

        // The name of a consumer that is thrown away says nothing, and there is no end of them.
        NatsTelemetry.Read(_connection, subscription: null, _endsInDoubt ? null : _consumer);
        return true;
    }

    /// <summary>All messages until this is disposed.</summary>
    /// <exception cref="JetStreamApiException">The consumer was deleted or cannot be pulled from.</exception>
    public async IAsyncEnumerable<JetStreamMessage> ReadAllAsync([EnumeratorCancellation] CancellationToken ct = default)
    {
        using var reading = _readers.Enter();
        while (await WaitToReadAsync(ct))
            while (TryRead(out var message))
                yield return message;
    }

    /// <summary>Stops pulling in good order: what has arrived can still be read and acked. Completes when it has been read.</summary>
    /// <exception cref="OperationCanceledException">It was not read in time; it comes again to whoever reads the consumer next.</exception>
    public async ValueTask DrainAsync(CancellationToken ct = default)
    {
        lock (_gate)
            _paused = true;
        await _connection.FinishAsync(_subscription, ct);
        await FinishAsync().WaitAsync(ct);
    }

    /// <summary>Stops reading. What was delivered and not acked comes again, to whoever reads the consumer next. Safe to call twice.</summary>
    public async ValueTask DisposeAsync()
    {
        _connection.Unregister(_subscription);
        Complete(reason: null);
        await _recovery.DisposeAsync();
    }

    bool IReceiver.IsInbox => false;

    Task IReceiver.DrainAsync() => FinishAsync();

    void IReceiver.OnPublishDenied(string subject, NatsPermissionException reason)
    {
        if (subject == _pullSubject)
            End(reason);
    }

    void IReceiver.OnMessage(in Frame frame)
    {
        _recovery.Sign();
        if (frame.Payload.IsEmpty && !frame.Headers.IsEmpty && TakeStatus(frame))
            return;
        if (!AckSubject.TryParse(frame.ReplyTo, out var meta))
        {
            _connection.Log.NotJetStream(Encoding.UTF8.GetString(frame.Subject));
            return;
        }

        var message = new JetStreamMessage(_connection, _stream, _consumer, _subjects.Get(frame.Subject), frame, meta);
        _recovery.Served();
        lock (_gate)
            _window.Received(message.PullSize);
        _messages.Writer.TryWrite(message);
    }

    void IReceiver.OnOpen() => Resume();

    void IReceiver.OnDisconnected(NatsException reason)
    {
        _recovery.Pause();
        lock (_gate)
        {
            _paused = true;
            _window.Void();
        }

        if (_endsInDoubt)
            End(reason);
    }

    void IReceiver.OnEnded(NatsException? reason) => Complete(reason);

    private Task FinishAsync()
    {
        Complete(reason: null);
        return _readers.DoneAsync(_messages.Reader.Completion);
    }

    private void Resume()
    {
        lock (_gate)
        {
            if (!_paused)
                return;
            (_paused, _refused) = (false, false);
            _window.Void();
            PullIfLow();
        }

        _recovery.Resume();
    }

    private bool IsWaiting()
    {
        lock (_gate)
            return !_paused && !_ended && _window.IsWaiting;
    }

    private void PullAfresh()
    {
        if (_endsInDoubt)
        {
            End(new NatsTimeoutException($"consumer {_stream}/{_consumer} is silent or refuses to deliver"));
            return;
        }

        lock (_gate)
        {
            _refused = false;
            _window.Void();
            PullIfLow();
        }
    }

    private bool TakeStatus(in Frame frame)
    {
        Span<byte> block = frame.Headers.Length <= 1024 ? stackalloc byte[(int)frame.Headers.Length] : default;
        if (block.IsEmpty)
            return false;
        System.Buffers.BuffersExtensions.CopyTo(frame.Headers, block);
        var code = HeaderBlock.Status(block, out var words);
        if (code == 0)
            return false;

        var text = Encoding.UTF8.GetString(words);
        var action = PullStatus.Classify(code, text);
        lock (_gate)
        {
            _window.Ended(Count(block, "Nats-Pending-Messages"), Count(block, "Nats-Pending-Bytes"));
            if (action is PullAction.BytesSpent)
                action = _window.ReceivedSinceAsked ? PullAction.Expired : PullAction.Refused;
            if (action is PullAction.Expired)
                PullIfLow();
            else if (action is not PullAction.Heartbeat)
                _window.Void();
            if (action is PullAction.PullAgain)
                PullIfLow();

            // Before anybody reads on, which asks for more.
            _ended |= action is PullAction.End;
            _refused |= action is PullAction.Refused or PullAction.NoResponders or PullAction.AwaitReconnect;
        }

        if (action is PullAction.Heartbeat)
            _recovery.Served();
        else if (action is PullAction.End)
            End(new JetStreamApiException(code, code == 409 ? JetStreamApi.ConsumerNotFound : 0, text));
        else if (action is PullAction.Refused or PullAction.NoResponders or PullAction.AwaitReconnect)
            _recovery.Refused(action, code, text);
        return true;
    }

    private static long Count(ReadOnlySpan<byte> block, string name)
        => HeaderBlock.TryGet(block, name, out var value) && Digits.TryParse(value, out var count) ? count : 0;

    /// <summary>Under the lock: asks for more when half of it is read.</summary>
    private void PullIfLow()
    {
        if (_paused || _ended || _refused || _connection.IsDraining || !_window.IsLow)
            return;
        var (messages, bytes) = _window.Missing;
        Span<byte> body = stackalloc byte[160];
        var expires = NanosecondsConverter.Of(_options.Expires);
        var heartbeat = NanosecondsConverter.Of(_options.Heartbeat);
        int written;
        if (bytes > 0)
            Utf8.TryWrite(body, CultureInfo.InvariantCulture, $$"""{"batch":{{messages}},"max_bytes":{{bytes}},"expires":{{expires}},"idle_heartbeat":{{heartbeat}}}""", out written);
        else
            Utf8.TryWrite(body, CultureInfo.InvariantCulture, $$"""{"batch":{{messages}},"expires":{{expires}},"idle_heartbeat":{{heartbeat}}}""", out written);

        var outcome = _connection.TryPublish(
            SubjectText.Checked(_pullSubject), SubjectText.Checked(_subscription.Subject), headers: null, body[..written], urgent: true);
        if (outcome == PublishOutcome.Accepted)
        {
            _window.Asked(messages, bytes);
            _recovery.Sign();
        }
        else
        {
            _paused = true; // the next opening pulls, also if it came before we could be told of the drop
        }
    }

    private void End(NatsException reason)
    {
        if (!_endsInDoubt)
            _connection.Log.ConsumerEnded(_stream, _consumer, reason.Message);
        _connection.Unregister(_subscription);
        Complete(reason);
    }

    private void Complete(NatsException? reason)
    {
        lock (_gate)
            _ended = true;
        _recovery.Stop();
        _messages.Writer.TryComplete(reason);
    }
}
