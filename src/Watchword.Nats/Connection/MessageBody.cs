using System.Buffers;

namespace Watchword.Nats;

/// <summary>
/// What a received message owns of its frame, in one array from the <see cref="BodyPool"/>. It is given back when the
/// message has been disposed and whoever was reading it by then is done: an answer must never be written with the
/// reply subject of the message that has the array next. A field of its message, never copied.
/// </summary>
internal struct MessageBody
{
    private const int Disposed = 1;
    private const int OneReader = 2;

    // Reply-to, headers and payload, in this order; the array may be longer.
    private readonly byte[] _bytes;
    private readonly int _replyLength;
    private readonly int _headerLength;
    private readonly int _payloadLength;
    private int _state; // whether it is disposed, plus how many are reading
    private NatsHeaders? _headers;

    /// <summary>Copies it out of the read buffer.</summary>
    public MessageBody(in Frame frame)
    {
        _replyLength = frame.ReplyTo.Length;
        _headerLength = (int)frame.Headers.Length;
        _payloadLength = (int)frame.Payload.Length;
        _bytes = BodyPool.Rent(Length);
        frame.ReplyTo.CopyTo(_bytes);
        frame.Headers.CopyTo(_bytes.AsSpan(_replyLength));
        frame.Payload.CopyTo(_bytes.AsSpan(_replyLength + _headerLength));
    }

    /// <summary>Reply subject, headers and payload, in bytes.</summary>
    public readonly int Length => _replyLength + _headerLength + _payloadLength;

    /// <exception cref="ObjectDisposedException">The message was disposed.</exception>
    public readonly ReadOnlyMemory<byte> Payload
    {
        get
        {
            if ((Volatile.Read(in _state) & Disposed) != 0)
                throw Gone();
            return _bytes.AsMemory(_replyLength + _headerLength, _payloadLength);
        }
    }

    /// <summary>Null when there are none.</summary>
    /// <exception cref="ObjectDisposedException">The message was disposed.</exception>
    public NatsHeaders? Headers
    {
        get
        {
            if ((Volatile.Read(in _state) & Disposed) != 0)
                throw Gone();
            return _headerLength == 0 ? null : _headers ??= new NatsHeaders(_bytes, _replyLength, _headerLength);
        }
    }

    /// <summary>The reply subject, until <see cref="EndRead"/>.</summary>
    /// <exception cref="ObjectDisposedException">The message was disposed.</exception>
    public ReadOnlySpan<byte> BeginReadReplyTo()
    {
        var seen = Volatile.Read(ref _state);
        while (true)
        {
            // Nobody enters after the end, so that the last one out is the last.
            if ((seen & Disposed) != 0)
                throw Gone();
            var found = Interlocked.CompareExchange(ref _state, seen + OneReader, seen);
            if (found == seen)
                break;
            seen = found;
        }

        return _bytes.AsSpan(0, _replyLength);
    }

    public void EndRead()
    {
        if (Interlocked.Add(ref _state, -OneReader) == Disposed)
            GiveBack();
    }

    /// <summary>Gives the array back, once. Safe to call twice.</summary>
    public void Dispose()
    {
        if (Interlocked.Or(ref _state, Disposed) == 0)
            GiveBack();
    }

    private readonly void GiveBack()
    {
        _headers?.Close();
        BodyPool.Return(_bytes);
    }

    private static ObjectDisposedException Gone()
        => new(objectName: null, "The message was disposed, and its memory may hold another one by now. Read and answer it before that.");
}
