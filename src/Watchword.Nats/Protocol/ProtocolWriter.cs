using System.Buffers.Text;
using System.Text;

namespace Watchword.Nats;

/// <summary>What a client says, written into a span. Pure: where the bytes go is the caller's affair.</summary>
internal static class ProtocolWriter
{
    // HPUB, four blanks, two numbers of ten digits, two line ends.
    private const int PublishOverhead = 4 + 4 + 2 * 10 + 2 * 2;

    public static ReadOnlySpan<byte> Ping => "PING\r\n"u8;

    public static ReadOnlySpan<byte> Pong => "PONG\r\n"u8;

    /// <summary>An upper bound of what <see cref="WritePublish"/> needs, in bytes.</summary>
    public static int MaxPublishBytes(SubjectText subject, SubjectText reply, int headers, int payload)
        => PublishOverhead + subject.MaxBytes + reply.MaxBytes + headers + payload;

    /// <summary>Writes PUB, or HPUB when there are headers (their block counts its closing blank line).</summary>
    public static int WritePublish(
        Span<byte> to, SubjectText subject, SubjectText reply, ReadOnlySpan<byte> headers, ReadOnlySpan<byte> payload)
    {
        var at = Copy(headers.IsEmpty ? "PUB "u8 : "HPUB "u8, to);
        at += subject.Write(to[at..]);
        to[at++] = (byte)' ';
        if (!reply.IsEmpty)
        {
            at += reply.Write(to[at..]);
            to[at++] = (byte)' ';
        }

        if (!headers.IsEmpty)
        {
            at += Number(headers.Length, to[at..]);
            to[at++] = (byte)' ';
        }

        at += Number(headers.Length + payload.Length, to[at..]);
        at += Copy("\r\n"u8, to[at..]);
        at += Copy(headers, to[at..]);
        at += Copy(payload, to[at..]);
        return at + Copy("\r\n"u8, to[at..]);
    }

    /// <summary>SUB subject [queue group] sid.</summary>
    public static byte[] Subscribe(string subject, string? queueGroup, long sid)
        => Encoding.UTF8.GetBytes(queueGroup is null ? $"SUB {subject} {sid}\r\n" : $"SUB {subject} {queueGroup} {sid}\r\n");

    /// <summary>UNSUB sid [max]: at once, or after so many more messages.</summary>
    public static byte[] Unsubscribe(long sid, long? max = null) => Encoding.UTF8.GetBytes(max is null ? $"UNSUB {sid}\r\n" : $"UNSUB {sid} {max}\r\n");

    private static int Copy(ReadOnlySpan<byte> from, Span<byte> to)
    {
        from.CopyTo(to);
        return from.Length;
    }

    private static int Number(int value, Span<byte> to)
    {
        Utf8Formatter.TryFormat(value, to, out var written);
        return written;
    }
}
