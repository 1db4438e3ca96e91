using System.Buffers;

namespace Watchword.Nats;

/// <summary>
/// Reads what a server sends, frame by frame, from however the bytes happen to be cut. It does no I/O and holds
/// nothing between calls but a scratch line. Whatever breaks the protocol or a bound throws: a parser that lost its
/// place cannot find it again, so its owner drops the connection.
/// </summary>
/// <param name="maxPayload">The largest headers + payload accepted, in bytes.</param>
internal sealed class ProtocolParser(int maxPayload)
{
    /// <summary>The longest line accepted, in bytes (the server's own default bound).</summary>
    public const int MaxControlLine = 4096;

    /// <summary>INFO lists every server of a cluster, so it alone may be longer.</summary>
    public const int MaxInfoLine = 256 * 1024;

    private byte[] _scratch = [];

    /// <summary>Takes one frame off the front of <paramref name="buffer"/>; false when it is not all there yet.</summary>
    /// <exception cref="NatsProtocolException">The bytes are not what a NATS server sends.</exception>
    public bool TryRead(ref ReadOnlySequence<byte> buffer, out Frame frame)
    {
        frame = default;
        if (!TryReadLine(buffer, out var line, out var lineLength))
            return false;

        if (line.StartsWith("MSG "u8))
            return TryReadMessage(line[4..], lineLength, hasHeaders: false, ref buffer, out frame);
        if (line.StartsWith("HMSG "u8))
            return TryReadMessage(line[5..], lineLength, hasHeaders: true, ref buffer, out frame);

        frame = line switch
        {
            _ when line.SequenceEqual("PING"u8) => new Frame { Kind = FrameKind.Ping },
            _ when line.SequenceEqual("PONG"u8) => new Frame { Kind = FrameKind.Pong },
            _ when line.SequenceEqual("+OK"u8) => new Frame { Kind = FrameKind.Ok },
            _ when line.StartsWith("INFO "u8) => new Frame { Kind = FrameKind.Info, Text = line[5..].Trim((byte)' ') },
            _ when line.StartsWith("-ERR"u8) => new Frame { Kind = FrameKind.Error, Text = line[4..].Trim(" '"u8) },
            _ => throw NatsProtocolException.At("an unknown command", line),
        };
        buffer = buffer.Slice(lineLength);
        return true;
    }

    private bool TryReadMessage(
        ReadOnlySpan<byte> line, int lineLength, bool hasHeaders, ref ReadOnlySequence<byte> buffer, out Frame frame)
    {
        frame = default;
        var rest = line;
        var subject = NextToken(ref rest);
        var sid = ParseNumber(NextToken(ref rest), long.MaxValue, line);

        // What follows is [reply-to] [header length] size; how many tokens are left says whether there is a reply-to.
        var a = NextToken(ref rest);
        var b = NextToken(ref rest);
        var c = hasHeaders ? NextToken(ref rest) : default;
        var reply = default(ReadOnlySpan<byte>);
        if (hasHeaders ? !c.IsEmpty : !b.IsEmpty)
        {
            reply = a;
            a = b;
            b = c;
        }

        if (subject.IsEmpty || !rest.TrimStart((byte)' ').IsEmpty)
            throw NatsProtocolException.At("a malformed message line", line);

        var headerSize = hasHeaders ? (int)ParseNumber(a, maxPayload, line) : 0;
        var size = (int)ParseNumber(hasHeaders ? b : a, maxPayload, line);
        if (headerSize > size)
            throw NatsProtocolException.At("headers larger than their message", line);
        if (buffer.Length < lineLength + (long)size + 2)
            return false;

        var body = buffer.Slice(lineLength, size + 2);
        if (!EndsLine(body.Slice(size)))
            throw NatsProtocolException.At("a message that is not as long as it says", line);

        frame = new Frame
        {
            Kind = FrameKind.Message,
            Sid = sid,
            Subject = subject,
            ReplyTo = reply,
            Headers = body.Slice(0, headerSize),
            Payload = body.Slice(headerSize, size - headerSize),
        };
        buffer = buffer.Slice(body.End);
        return true;
    }

    /// <summary>Finds the first line; <paramref name="length"/> counts its CR LF, <paramref name="line"/> does not.</summary>
    private bool TryReadLine(in ReadOnlySequence<byte> buffer, out ReadOnlySpan<byte> line, out int length)
    {
        line = default;
        length = 0;
        if (buffer.IsEmpty)
            return false;

        var first = buffer.FirstSpan;
        var bound = Lead(buffer) == (byte)'I' ? MaxInfoLine : MaxControlLine;
        var end = first.IndexOf((byte)'\n');
        if (end < 0 && !buffer.IsSingleSegment && buffer.PositionOf((byte)'\n') is { } position)
        {
            var cut = buffer.Slice(0, position);
            if (cut.Length > bound)
                throw NatsProtocolException.At("a line that is too long", first);
            end = (int)cut.Length;
            if (_scratch.Length <= end)
                _scratch = new byte[Math.Max(end + 1, 512)];
            buffer.Slice(0, end + 1).CopyTo(_scratch);
            first = _scratch;
        }

        if (end > bound || (end < 0 && buffer.Length > bound))
            throw NatsProtocolException.At("a line that is too long", first);
        if (end < 0)
            return false;
        if (end == 0 || first[end - 1] != (byte)'\r')
            throw NatsProtocolException.At("a line that does not end in CR LF", first[..end]);

        line = first[..(end - 1)];
        length = end + 1;
        return true;
    }

    /// <summary>The first byte; a sequence may begin with a segment of which all has been taken.</summary>
    private static byte Lead(in ReadOnlySequence<byte> buffer)
    {
        var reader = new SequenceReader<byte>(buffer);
        return reader.TryPeek(out var lead) ? lead : (byte)0;
    }

    private static bool EndsLine(in ReadOnlySequence<byte> two)
    {
        Span<byte> copy = stackalloc byte[2];
        two.CopyTo(copy);
        return copy is [(byte)'\r', (byte)'\n'];
    }

    private static ReadOnlySpan<byte> NextToken(scoped ref ReadOnlySpan<byte> rest)
    {
        rest = rest.TrimStart((byte)' ');
        var end = rest.IndexOf((byte)' ');
        var token = end < 0 ? rest : rest[..end];
        rest = rest[token.Length..];
        return token;
    }

    private static long ParseNumber(ReadOnlySpan<byte> digits, long max, ReadOnlySpan<byte> line)
    {
        if (!Digits.TryParse(digits, out var value))
            throw NatsProtocolException.At("a malformed number", line);
        return value <= max ? value : throw NatsProtocolException.At($"a number above its bound of {max}", line);
    }
}
