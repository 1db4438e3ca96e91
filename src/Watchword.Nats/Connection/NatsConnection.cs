using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.Logging;

namespace Watchword.Nats;

/// <summary>Where a connection stands.</summary>
public enum NatsConnectionState
{
    /// <summary>Not started, or disposed.</summary>
    Closed,

    /// <summary>On its way to its first server.</summary>
    Connecting,

    /// <summary>In service.</summary>
    Open,

    /// <summary>Lost its server and is looking for one.</summary>
    Reconnecting,
}

/// <summary>
/// A connection to NATS that mends itself. Many threads may use it; one is enough for a process. While it is away,
/// subscriptions stand and are renewed, but publishes and requests fail at once with
/// <see cref="NatsDisconnectedException"/>: nothing is held back in memory, so nothing is lost unnoticed there. Of what
/// had been written but not sent when the connection dropped, plain publishes and acks go to the next server; whoever
/// waited for an answer or an ack is told that it will not come.
/// </summary>
public sealed partial class NatsConnection : IAsyncDisposable
{
    private readonly ServerPool _servers;
    private readonly Connector _connector;
    private readonly ConcurrentDictionary<long, Subscription> _subscriptions = new();
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _disposed = new();
    private readonly RequestInbox _requests;
    private volatile Session? _session;
    private volatile NatsException? _stopped;
    private long _lastSid;

    /// <summary>Prepares a connection; nothing is sent before <see cref="ConnectAsync"/> or <see cref="Start"/>.</summary>
    /// <exception cref="ArgumentException">The options are not valid; the message names every fault.</exception>
    public NatsConnection(NatsOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        var errors = options.Validate();
        if (errors.Count > 0)
            throw new ArgumentException(string.Join(" ", errors), nameof(options));
        Options = options;
        Log = options.LoggerFactory.CreateLogger<NatsConnection>();
        _servers = new ServerPool(options);
        _connector = new Connector(this, _servers);
        _requests = new RequestInbox(this);
    }

    /// <summary>Raised after each change of <see cref="State"/>, in order, off the read loop. A handler must return soon, since reconnecting waits for it.</summary>
    public event Action<NatsConnectionState>? StateChanged;

    /// <summary>
    /// Raised when the server in use says that it is about to stop. Where there is another one the connection moves to
    /// it at once by itself; where there is none, this is the warning.
    /// </summary>
    public event Action<ServerInfo>? LameDuck;

    /// <summary>
    /// Raised when the server refuses a publish: the subject, and why. On the read loop, before any later answer is read,
    /// so that after a <see cref="PingAsync"/> all refusals have been told. A handler must not block or throw.
    /// </summary>
    public event Action<string, NatsPermissionException>? PublishDenied;

    /// <summary>Where the connection stands now.</summary>
    public NatsConnectionState State { get; private set; }

    /// <summary>The server in use, or the last one; null before the first.</summary>
    public ServerInfo? Server { get; private set; }

    /// <summary>How often the connection was made anew after it was lost.</summary>
    public long ReconnectCount { get; private set; }

    /// <summary>The options that it was made with.</summary>
    public NatsOptions Options { get; }

    internal ILogger Log { get; }

    /// <summary>The address of the server in use, or of the last one; null before the first.</summary>
    internal ServerAddress? Address { get; private set; }

    internal RequestInbox Requests => _requests;

    /// <summary>
    /// Publishes at most once. Completes when the message is in the bounded write buffer, and waits only while that is
    /// full; afterwards the caller may reuse payload and headers.
    /// </summary>
    /// <exception cref="ArgumentException">A subject is empty or holds white space.</exception>
    /// <exception cref="NatsDisconnectedException">The connection is away.</exception>
    /// <exception cref="NatsPayloadTooLargeException">The server would refuse a message of that size.</exception>
    public ValueTask PublishAsync(
        string subject,
        ReadOnlyMemory<byte> payload = default,
        NatsHeaders? headers = null,
        string? replyTo = null,
        CancellationToken ct = default)
    {
        ct.ThrowIfCancellationRequested();
        var operation = SendOperation.Begin(this, "publish", subject, payload.Length, headers);
        try
        {
            switch (TryPublish(SubjectText.Checked(subject), SubjectText.CheckedOrNone(replyTo), headers, payload.Span, operation.Context(subject)))
            {
                case PublishOutcome.Accepted:
                    operation.End(this, error: null);
                    return default;
                case PublishOutcome.Full:
                    return PublishWhenRoomAsync(operation, subject, payload, headers, replyTo, ct);
                default:
                    throw Unavailable();
            }
        }
        catch (Exception e)
        {
            operation.End(this, e);
            throw;
        }
    }

    /// <summary>
    /// Subscribes. Completes when the request is written (or, while the connection is away, noted): a
    /// <see cref="PingAsync"/> afterwards makes sure that the server has it.
    /// </summary>
    /// <param name="subject">The subject; <c>*</c> stands for one token and a final <c>&gt;</c> for one or more.</param>
    /// <param name="queueGroup">Of all subscribers in the same group, one receives each message.</param>
    /// <param name="capacity">How many messages to hold for the reader; default <see cref="NatsOptions.SubscriptionCapacity"/>.</param>
    /// <param name="maxMessages">After that many the subscription ends by itself, also when a reconnect lies between them.</param>
    /// <param name="ct">Cancels the call, not the subscription.</param>
    public ValueTask<NatsSubscription> SubscribeAsync(
        string subject, string? queueGroup = null, int? capacity = null, long? maxMessages = null, CancellationToken ct = default)
    {
        ct.ThrowIfCancellationRequested();
        SubjectText.Check(subject, nameof(subject));
        if (queueGroup is not null)
            SubjectText.Check(queueGroup, nameof(queueGroup));
        var places = capacity ?? Options.SubscriptionCapacity;
        ArgumentOutOfRangeException.ThrowIfLessThan(places, 1, nameof(capacity));
        ArgumentOutOfRangeException.ThrowIfLessThan(maxMessages ?? 1, 1, nameof(maxMessages));
        return new ValueTask<NatsSubscription>(new NatsSubscription(this, subject, queueGroup, places, maxMessages));
    }

    /// <summary>Publishes and waits for the first answer.</summary>
    /// <param name="subject">Who is asked.</param>
    /// <param name="payload">What is asked.</param>
    /// <param name="headers">Headers, if any.</param>
    /// <param name="timeout">How long to wait; default <see cref="NatsOptions.RequestTimeout"/>.</param>
    /// <param name="ct">Gives up early.</param>
    /// <exception cref="NatsNoRespondersException">Nobody listens there.</exception>
    /// <exception cref="NatsTimeoutException">No answer in time.</exception>
    /// <exception cref="NatsDisconnectedException">The connection is away, or went before the answer came.</exception>
    /// <exception cref="NatsPermissionException">The server refused the request.</exception>
    public ValueTask<NatsMessage> RequestAsync(
        string subject,
        ReadOnlyMemory<byte> payload = default,
        NatsHeaders? headers = null,
        TimeSpan? timeout = null,
        CancellationToken ct = default)
        => _requests.RequestAsync(subject, payload, headers, timeout ?? Options.RequestTimeout, ct);

    /// <summary>Asks the server for a PONG; gives the round trip. All that was written before it has then been read by the server.</summary>
    /// <exception cref="NatsDisconnectedException">The connection is away, or went before the answer came.</exception>
    /// <exception cref="NatsTimeoutException">No answer within <see cref="NatsOptions.RequestTimeout"/>.</exception>
    public async ValueTask<TimeSpan> PingAsync(CancellationToken ct = default)
    {
        var start = Stopwatch.GetTimestamp();
        if (_session is not { } session || !session.TryPing(out var pong))
            throw Unavailable();
        try
        {
            await pong.WaitAsync(Options.RequestTimeout, ct);
        }
        catch (TimeoutException e)
        {
            throw new NatsTimeoutException($"No PONG within {Options.RequestTimeout.TotalSeconds:0.###} s.", e);
        }

        return Stopwatch.GetElapsedTime(start);
    }

    /// <summary>Why nothing can be sent just now, or ever again.</summary>
    internal NatsException Unavailable()
        => _stopped is { } reason ? new NatsConnectException($"The connection is closed for good. {reason.Message}", isTransient: false, reason)
            : new NatsDisconnectedException(_disposed.IsCancellationRequested ? "The connection was disposed." : "Not connected to NATS.", LastError);

    /// <exception cref="NatsPayloadTooLargeException">The server would refuse a message of that size.</exception>
    internal PublishOutcome TryPublish(
        SubjectText subject, SubjectText reply, NatsHeaders? headers, ReadOnlySpan<byte> payload, Activity? context = null, bool urgent = false)
    {
        if (_session is not { } session)
            return PublishOutcome.Disconnected;
        if (context is not null && session.Info.Headers && NatsTelemetry.WithContext(headers, context) is { } traced
            && traced.EncodedLength + (long)payload.Length <= session.Info.MaxPayload)
        {
            headers = traced; // never the reason why a message is too large
        }

        var block = headers is null or { IsEmpty: true } ? default : headers.Encoded;
        var size = (long)block.Length + payload.Length;
        if (size > session.Info.MaxPayload)
            throw new NatsPayloadTooLargeException(size, session.Info.MaxPayload);
        return session.Outbound.TryPublish(subject, reply, block, payload, urgent);
    }

    internal Task WaitForSpaceAsync(CancellationToken ct) => _session?.Outbound.WaitForSpaceAsync(ct) ?? Task.CompletedTask;

    internal void Register(Subscription subscription)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_disposed.IsCancellationRequested, this);
            if (_draining)
                throw new InvalidOperationException("The connection is draining and takes no new subscriptions.");
            if (_stopped is not null)
                throw Unavailable();
            subscription.Sid = ++_lastSid;
            _subscriptions[subscription.Sid] = subscription;
            _session?.Outbound.TryAppend(subscription.Command());
        }
    }

    internal void Unregister(Subscription subscription)
    {
        lock (_gate)
            if (_subscriptions.TryRemove(subscription.Sid, out _))
                _session?.Outbound.TryAppend(ProtocolWriter.Unsubscribe(subscription.Sid));
    }

    internal void Dispatch(in Frame frame)
    {
        // An unknown number is a message that was under way when its subscription ended.
        if (!_subscriptions.TryGetValue(frame.Sid, out var subscription))
            return;
        subscription.Receiver.OnMessage(frame);
        if (subscription.IsLast() && _subscriptions.TryRemove(frame.Sid, out _))
            subscription.Receiver.OnEnded(reason: null);
    }

    private async ValueTask PublishWhenRoomAsync(
        SendOperation operation, string subject, ReadOnlyMemory<byte> payload, NatsHeaders? headers, string? replyTo, CancellationToken ct)
    {
        try
        {
            PublishOutcome outcome;
            do
            {
                await WaitForSpaceAsync(ct);
                outcome = TryPublish(
                    SubjectText.Checked(subject), SubjectText.CheckedOrNone(replyTo), headers, payload.Span, operation.Context(subject));
            }
            while (outcome == PublishOutcome.Full);
            if (outcome == PublishOutcome.Disconnected)
                throw Unavailable();
            operation.End(this, error: null);
        }
        catch (Exception e)
        {
            operation.End(this, e);
            throw;
        }
    }
}
