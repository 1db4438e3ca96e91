using System.Buffers;
using System.Text;

namespace Watchword.Nats;

/// <summary>One received message. It owns its memory and may be kept for as long as one likes.</summary>
public sealed class NatsMessage
{
    // Reply-to, headers and payload lie in one array, in this order.
    private readonly byte[] _body;
    private readonly int _replyLength;
    private readonly int _headerLength;
    private NatsHeaders? _headers;

    internal NatsMessage(string subject, in Frame frame)
    {
        Subject = subject;
        _replyLength = frame.ReplyTo.Length;
        _headerLength = (int)frame.Headers.Length;
        _body = CopyBody(frame);
    }

    /// <summary>The subject to which it was published.</summary>
    public string Subject { get; }

    /// <summary>Where the sender waits for an answer; null when it does not.</summary>
    public string? ReplyTo => _replyLength == 0 ? null : Encoding.UTF8.GetString(_body, 0, _replyLength);

    /// <summary>Its headers; null when it has none.</summary>
    public NatsHeaders? Headers
        => _headerLength == 0 ? null : _headers ??= new NatsHeaders(_body, _replyLength, _headerLength);

    /// <summary>Its content.</summary>
    public ReadOnlyMemory<byte> Payload => _body.AsMemory(_replyLength + _headerLength);

    /// <summary>The server's answer that nobody listens.</summary>
    internal bool IsNoResponders => Payload.IsEmpty && Headers is { Status: 503 };

    /// <summary>Copies what a message must own out of the read buffer, in one array.</summary>
    internal static byte[] CopyBody(in Frame frame)
    {
        var headerLength = (int)frame.Headers.Length;
        var start = frame.ReplyTo.Length + headerLength;
        var body = GC.AllocateUninitializedArray<byte>(start + (int)frame.Payload.Length);
        frame.ReplyTo.CopyTo(body);
        frame.Headers.CopyTo(body.AsSpan(frame.ReplyTo.Length));
        frame.Payload.CopyTo(body.AsSpan(start));
        return body;
    }
}
