using System.Collections.Concurrent;
using System.Diagnostics;

namespace Watchword.Nats;

/// <summary>Requests and their answers: one wildcard subscription for all of them, one number each.</summary>
internal sealed class RequestInbox : IReceiver
{
    private readonly NatsConnection _connection;
    private readonly Inbox _inbox;
    private readonly ConcurrentDictionary<long, PendingRequest> _pending = new();
    private readonly SubjectCache _subjects = new();
    private NatsException? _ended;
    private long _lastToken;

    public RequestInbox(NatsConnection connection)
    {
        _connection = connection;
        _inbox = new(connection);
        connection.Register(new Subscription(this, _inbox.Wildcard));
    }

    public ValueTask<NatsMessage> RequestAsync(
        string subject, ReadOnlyMemory<byte> payload, NatsHeaders? headers, TimeSpan timeout, CancellationToken ct, string name = "request")
    {
        var operation = SendOperation.Begin(_connection, name, subject, payload.Length, headers);
        return operation.IsObserved
            ? AskObservedAsync(operation, subject, payload, headers, timeout, ct)
            : AskAsync(subject, payload, headers, timeout, operation.Context(subject), ct);
    }

    private async ValueTask<NatsMessage> AskObservedAsync(
        SendOperation operation, string subject, ReadOnlyMemory<byte> payload, NatsHeaders? headers, TimeSpan timeout, CancellationToken ct)
    {
        try
        {
            var answer = await AskAsync(subject, payload, headers, timeout, operation.Context(subject), ct);
            operation.End(_connection, error: null);
            return answer;
        }
        catch (Exception e)
        {
            operation.End(_connection, e);
            throw;
        }
    }

    private async ValueTask<NatsMessage> AskAsync(
        string subject, ReadOnlyMemory<byte> payload, NatsHeaders? headers, TimeSpan timeout, Activity? context, CancellationToken ct)
    {
        SubjectText.Check(subject, nameof(subject));
        if (_ended is { } reason)
            throw reason;
        var token = Interlocked.Increment(ref _lastToken);
        var pending = new PendingRequest(subject);
        _pending[token] = pending;
        try
        {
            while (true)
            {
                var outcome = TrySend(subject, token, headers, payload.Span, context);
                if (outcome == PublishOutcome.Accepted)
                    break;
                if (outcome == PublishOutcome.Disconnected)
                    throw _connection.Unavailable();
                await _connection.WaitForSpaceAsync(ct);
            }

            var answer = await pending.Task.WaitAsync(timeout, ct);
            return answer.IsNoResponders ? throw new NatsNoRespondersException(subject) : answer;
        }
        catch (TimeoutException e)
        {
            throw new NatsTimeoutException($"No answer on '{subject}' within {timeout.TotalSeconds:0.###} s.", e);
        }
        finally
        {
            _pending.TryRemove(token, out _);
        }
    }

    bool IReceiver.IsInbox => true;

    Task IReceiver.DrainAsync() => Task.WhenAll(_pending.Values.Select(p => p.Task)).ContinueWith(static _ => { }, TaskScheduler.Default);

    void IReceiver.OnPublishDenied(string subject, NatsPermissionException reason)
    {
        foreach (var (_, pending) in _pending)
            if (pending.Subject == subject)
                pending.TrySetException(reason);
    }

    void IReceiver.OnMessage(in Frame frame)
    {
        if (_inbox.TryReadToken(frame.Subject, out var token) && _pending.TryRemove(token, out var pending))
            pending.TrySetResult(new NatsMessage(_subjects.Get("_INBOX"u8), frame));
    }

    void IReceiver.OnDisconnected(NatsException reason)
    {
        foreach (var (_, pending) in _pending)
            pending.TrySetException(new NatsDisconnectedException("The connection dropped before the answer came.", reason));
    }

    void IReceiver.OnEnded(NatsException? reason)
    {
        // Without an inbox (the account may not subscribe to it) no answer will ever come.
        _ended = reason ?? new NatsDisconnectedException("The connection was disposed.");
        foreach (var (_, pending) in _pending)
            pending.TrySetException(_ended);
    }

    private PublishOutcome TrySend(string subject, long token, NatsHeaders? headers, ReadOnlySpan<byte> payload, Activity? context)
    {
        Span<byte> reply = stackalloc byte[_inbox.MaxSubjectLength];
        reply = reply[.._inbox.Write(token, reply)];
        return _connection.TryPublish(SubjectText.Checked(subject), new SubjectText((ReadOnlySpan<byte>)reply), headers, payload, context);
    }

    private sealed class PendingRequest(string subject)
        : TaskCompletionSource<NatsMessage>(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        public string Subject { get; } = subject;
    }
}
