using System.Globalization;

namespace Watchword.Nats;

/// <summary>One pull, from its request to its end: all messages came, the time is up, or the server said why not.</summary>
internal sealed class PullFetch(JetStream jetStream, string stream, string consumer, int maxMessages) : IReceiver
{
    private readonly NatsConnection _connection = jetStream.Connection;
    private readonly Inbox _inbox = new(jetStream.Connection);
    private readonly SubjectCache _subjects = new();
    private readonly List<JetStreamMessage> _messages = [];
    private readonly TaskCompletionSource<NatsException?> _done = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private string PullSubject => $"$JS.API.CONSUMER.MSG.NEXT.{stream}.{consumer}";

    /// <param name="expires">How long the server waits for more; zero for not at all.</param>
    /// <param name="ct">Gives up.</param>
    public async Task<IReadOnlyList<JetStreamMessage>> RunAsync(TimeSpan expires, CancellationToken ct)
    {
        var how = expires > TimeSpan.Zero
            ? string.Create(CultureInfo.InvariantCulture, $"\"expires\":{NanosecondsConverter.Of(expires)}")
            : "\"no_wait\":true";
        var body = System.Text.Encoding.UTF8.GetBytes(string.Create(CultureInfo.InvariantCulture, $"{{\"batch\":{maxMessages},{how}}}"));
        var subscription = new Subscription(this, _inbox.Name);
        _connection.Register(subscription);
        NatsException? reason;
        try
        {
            await _connection.PublishAsync(PullSubject, body, replyTo: _inbox.Name, ct: ct);
            reason = await _done.Task.WaitAsync(expires + _connection.Options.RequestTimeout, ct);
        }
        catch (TimeoutException e)
        {
            reason = new NatsTimeoutException($"No answer to a pull from {stream}/{consumer}.", e);
        }
        finally
        {
            _connection.Unregister(subscription);
        }

        // The read loop may still be at a message, but adds none once it is done.
        lock (_messages)
        {
            _done.TrySetResult(null);
            if (_messages.Count > 0 || reason is null)
                return _messages;
        }

        // Silence, or nobody there: what nats-server makes of a consumer that is gone goes by its version.
        if (reason is NatsTimeoutException or NatsNoRespondersException && await jetStream.FindConsumerAsync(stream, consumer, ct) is null)
            throw new JetStreamApiException(404, JetStreamApi.ConsumerNotFound, $"consumer {stream}/{consumer} not found");
        throw reason;
    }

    bool IReceiver.IsInbox => true;

    // Whoever awaits the fetch has its messages in hand when it is done.
    Task IReceiver.DrainAsync() => _done.Task;

    void IReceiver.OnPublishDenied(string subject, NatsPermissionException reason)
    {
        if (subject == PullSubject)
            _done.TrySetResult(reason);
    }

    void IReceiver.OnMessage(in Frame frame)
    {
        lock (_messages)
        {
            if (_done.Task.IsCompleted)
                return;
            if (AckSubject.TryParse(frame.ReplyTo, out var meta))
            {
                _messages.Add(new JetStreamMessage(_connection, stream, consumer, _subjects.Get(frame.Subject), frame, meta));
                if (_messages.Count == maxMessages)
                    _done.TrySetResult(null);
            }
            else if (new NatsMessage("", frame).Headers is { Status: var code and not 0 and not 100, StatusText: var text })
            {
                _done.TrySetResult(PullStatus.Classify(code, text) switch
                {
                    PullAction.Expired => null,
                    PullAction.End => new JetStreamApiException(code, code == 409 ? JetStreamApi.ConsumerNotFound : 0, text),
                    PullAction.NoResponders => new NatsNoRespondersException(PullSubject),
                    _ => new NatsException($"{stream}/{consumer} did not take a pull: {text} ({code.ToString(CultureInfo.InvariantCulture)}).", isTransient: true),
                });
            }
        }
    }

    void IReceiver.OnDisconnected(NatsException reason) => _done.TrySetResult(new NatsDisconnectedException("The connection dropped before the messages came.", reason));

    void IReceiver.OnEnded(NatsException? reason) => _done.TrySetResult(reason ?? new NatsDisconnectedException("The connection was disposed."));
}
