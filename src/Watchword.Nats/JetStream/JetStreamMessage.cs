using System.Diagnostics;
using System.Text;

namespace Watchword.Nats;

/// <summary>
/// One message from a consumer. It wants one terminal answer: <see cref="AckAsync"/>, <see cref="AckConfirmedAsync"/>,
/// <see cref="NakAsync"/> or <see cref="TerminateAsync"/>. Without one the server delivers it again after the
/// consumer's ack wait. An answer that could not be sent may be tried again. Disposing it afterwards is optional, as
/// for <see cref="NatsMessage"/>: it gives the memory back early, and answers nothing.
/// </summary>
public sealed class JetStreamMessage : IDisposable
{
    private readonly NatsConnection _connection;
    private readonly long _time;
    private MessageBody _body;
    private bool _answered;

    internal JetStreamMessage(NatsConnection connection, string stream, string consumer, string subject, in Frame frame, in AckSubject meta)
    {
        _connection = connection;
        _body = new MessageBody(frame);
        _time = meta.Time;
        (Stream, Consumer, Subject) = (stream, consumer, subject);
        StreamSequence = meta.StreamSequence;
        ConsumerSequence = meta.ConsumerSequence;
        Delivered = meta.Delivered;
        Pending = meta.Pending;
    }

    /// <summary>The subject to which it was published.</summary>
    public string Subject { get; }

    /// <summary>The stream it comes from.</summary>
    public string Stream { get; }

    /// <summary>The consumer that delivered it.</summary>
    public string Consumer { get; }

    /// <summary>Its headers; null when it has none. They end with the message.</summary>
    /// <exception cref="ObjectDisposedException">The message was disposed.</exception>
    public NatsHeaders? Headers => _body.Headers;

    /// <summary>Its content, valid until the message is disposed, if it ever is.</summary>
    /// <exception cref="ObjectDisposedException">The message was disposed.</exception>
    public ReadOnlyMemory<byte> Payload => _body.Payload;

    /// <summary>Its place in the stream.</summary>
    public ulong StreamSequence { get; }

    /// <summary>The consumer's own count of deliveries.</summary>
    public ulong ConsumerSequence { get; }

    /// <summary>Which delivery of this message it is: 1 for the first.</summary>
    public int Delivered { get; }

    /// <summary>How many messages were behind it in the stream for this consumer when it was delivered.</summary>
    public ulong Pending { get; }

    /// <summary>When the server stored it.</summary>
    public DateTimeOffset Timestamp => DateTimeOffset.UnixEpoch.AddTicks(_time / TimeSpan.NanosecondsPerTick);

    /// <summary>The size by which a pull's bytes are counted (ADR-37): subject, reply subject, headers and payload.</summary>
    internal int PullSize => Encoding.UTF8.GetByteCount(Subject) + _body.Length;

    /// <inheritdoc cref="NatsMessage.StartProcessing"/>
    public Activity? StartProcessing() => NatsTelemetry.StartProcessing(Subject, Headers, Payload.Length, _connection, Consumer);

    /// <summary>Gives its memory back. Safe to call twice, and from several threads; not while another one reads the payload.</summary>
    public void Dispose() => _body.Dispose();

    /// <summary>Done. Completes when the ack is written; it may still be lost with the connection, and then the message comes again.</summary>
    /// <exception cref="NatsDisconnectedException">The connection is away.</exception>
    /// <exception cref="InvalidOperationException">The message has been answered, or disposed.</exception>
    public ValueTask AckAsync(CancellationToken ct = default) => AnswerAsync("+ACK"u8, ct);

    /// <summary>Done, and the server has confirmed that it knows. The message will not come again.</summary>
    /// <inheritdoc cref="NatsConnection.RequestAsync"/>
    /// <exception cref="InvalidOperationException">The message has been answered, or disposed.</exception>
    public async ValueTask AckConfirmedAsync(CancellationToken ct = default)
    {
        BeginAnswer();
        try
        {
            await _connection.RequestAsync(ReplyTo(), "+ACK"u8.ToArray(), ct: ct);
        }
        catch
        {
            Volatile.Write(ref _answered, false);
            throw;
        }
    }

    /// <summary>Not now: deliver it again, after <paramref name="delay"/> or at once.</summary>
    /// <exception cref="NatsDisconnectedException">The connection is away; the message comes again after the ack wait.</exception>
    /// <exception cref="InvalidOperationException">The message has been answered, or disposed.</exception>
    public ValueTask NakAsync(TimeSpan? delay = null, CancellationToken ct = default)
        => delay is { } wait && wait > TimeSpan.Zero
            ? AnswerAsync(Encoding.ASCII.GetBytes($$"""-NAK {"delay":{{NanosecondsConverter.Of(wait)}}}"""), ct)
            : AnswerAsync("-NAK"u8, ct);

    /// <summary>Still at it: the ack wait begins anew.</summary>
    /// <exception cref="NatsDisconnectedException">The connection is away.</exception>
    /// <exception cref="InvalidOperationException">The message has been answered, or disposed.</exception>
    public ValueTask InProgressAsync(CancellationToken ct = default)
    {
        ct.ThrowIfCancellationRequested();
        if (Volatile.Read(ref _answered))
            throw Answered();
        Send("+WPI"u8);
        return default;
    }

    /// <summary>Never again: this message cannot be handled.</summary>
    /// <param name="reason">Why; servers from 2.10.4 on publish it in their advisory.</param>
    /// <param name="ct">Cancels before anything is sent.</param>
    /// <exception cref="NatsDisconnectedException">The connection is away; the message comes again after the ack wait.</exception>
    /// <exception cref="InvalidOperationException">The message has been answered, or disposed.</exception>
    public ValueTask TerminateAsync(string? reason = null, CancellationToken ct = default)
        => reason is { Length: > 0 } && _connection.Server is { } server && TermTakesReason(server.Version)
            ? AnswerAsync(Encoding.UTF8.GetBytes("+TERM " + reason), ct)
            : AnswerAsync("+TERM"u8, ct);

    /// <summary>An older server does not understand "+TERM reason" and would go on delivering the message.</summary>
    internal static bool TermTakesReason(string version)
        => System.Version.TryParse(version.Split('-')[0], out var parsed) && parsed >= new Version(2, 10, 4);

    private ValueTask AnswerAsync(ReadOnlySpan<byte> answer, CancellationToken ct)
    {
        ct.ThrowIfCancellationRequested();
        BeginAnswer();
        try
        {
            Send(answer);
        }
        catch
        {
            Volatile.Write(ref _answered, false);
            throw;
        }

        return default;
    }

    private void BeginAnswer()
    {
        if (Interlocked.Exchange(ref _answered, true))
            throw Answered();
    }

    /// <summary>Answers pass a full write buffer: they are few bytes, and their number is bounded by what was delivered.</summary>
    private void Send(ReadOnlySpan<byte> answer)
    {
        PublishOutcome outcome;
        var reply = _body.BeginReadReplyTo();
        try
        {
            outcome = _connection.TryPublish(new SubjectText(reply), default, headers: null, answer, urgent: true);
        }
        finally
        {
            _body.EndRead();
        }

        if (outcome != PublishOutcome.Accepted)
            throw _connection.Unavailable();
    }

    private string ReplyTo()
    {
        var reply = _body.BeginReadReplyTo();
        try
        {
            return Encoding.UTF8.GetString(reply);
        }
        finally
        {
            _body.EndRead();
        }
    }

    private InvalidOperationException Answered() => new($"Message {StreamSequence} of {Stream} has been answered already.");
}
