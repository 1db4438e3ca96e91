using System.Buffers;

namespace Watchword.Nats;

/// <summary>What a server may say.</summary>
internal enum FrameKind
{
    Message,
    Info,
    Ping,
    Pong,
    Ok,
    Error,
}

/// <summary>One thing the server said. It points into the read buffer, so it lives only until the next read.</summary>
internal readonly ref struct Frame
{
    public FrameKind Kind { get; init; }

    /// <summary>The subscription a message is for.</summary>
    public long Sid { get; init; }

    public ReadOnlySpan<byte> Subject { get; init; }

    /// <summary>Empty when no answer is wanted.</summary>
    public ReadOnlySpan<byte> ReplyTo { get; init; }

    /// <summary>The header block with its version line and closing blank line; empty when there is none.</summary>
    public ReadOnlySequence<byte> Headers { get; init; }

    public ReadOnlySequence<byte> Payload { get; init; }

    /// <summary>The JSON of an INFO, or the text of an error without its quotes.</summary>
    public ReadOnlySpan<byte> Text { get; init; }
}
