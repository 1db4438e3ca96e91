using System.Diagnostics;
using System.Text;

namespace Watchword.Nats;

/// <summary>
/// One received message. It owns its memory and may be kept for as long as one likes. Disposing it is optional: that
/// gives its memory back early, for the next message, which spares the collector work where many come. After it the
/// memory once taken from <see cref="Payload"/> or <see cref="Headers"/> must not be touched any more.
/// </summary>
public sealed class NatsMessage : IDisposable
{
    private MessageBody _body;

    internal NatsMessage(string subject, in Frame frame)
    {
        Subject = subject;
        _body = new MessageBody(frame);
    }

    /// <summary>The subject to which it was published.</summary>
    public string Subject { get; }

    /// <summary>Where the sender waits for an answer; null when it does not.</summary>
    /// <exception cref="ObjectDisposedException">The message was disposed.</exception>
    public string? ReplyTo
    {
        get
        {
            var reply = _body.BeginReadReplyTo();
            try
            {
                return reply.IsEmpty ? null : Encoding.UTF8.GetString(reply);
            }
            finally
            {
                _body.EndRead();
            }
        }
    }

    /// <summary>Its headers; null when it has none. They end with the message.</summary>
    /// <exception cref="ObjectDisposedException">The message was disposed.</exception>
    public NatsHeaders? Headers => _body.Headers;

    /// <summary>Its content, valid until the message is disposed, if it ever is.</summary>
    /// <exception cref="ObjectDisposedException">The message was disposed.</exception>
    public ReadOnlyMemory<byte> Payload => _body.Payload;

    /// <summary>The server's answer that nobody listens.</summary>
    internal bool IsNoResponders => Payload.IsEmpty && Headers is { Status: 503 };

    /// <summary>
    /// Begins a span for handling this message, a child of the span that sent it; dispose it when the message is
    /// handled. Null while nobody listens to <see cref="NatsTelemetry.Name"/>.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The message was disposed.</exception>
    public Activity? StartProcessing() => NatsTelemetry.StartProcessing(Subject, Headers, Payload.Length, connection: null, group: null);

    /// <summary>Gives its memory back. Safe to call twice, and from several threads; not while another one reads the payload.</summary>
    public void Dispose() => _body.Dispose();
}
