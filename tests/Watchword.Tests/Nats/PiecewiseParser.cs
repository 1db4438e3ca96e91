using System.Buffers;
using System.Globalization;
using System.Text;
using Watchword.Nats;

namespace Watchword.Tests.Nats;

/// <summary>Feeds the parser piece after piece, as a read loop does, and writes down what comes out.</summary>
internal sealed class PiecewiseParser(int maxPayload)
{
    private readonly ProtocolParser _parser = new(maxPayload);
    private ReadOnlySequence<byte> _unread = ReadOnlySequence<byte>.Empty;

    public List<string> Frames { get; } = [];

    /// <summary>How many bytes wait for more.</summary>
    public long Unread => _unread.Length;

    public void Feed(byte[] piece)
    {
        _unread = Join(_unread, piece);
        for (var before = _unread.Length; _parser.TryRead(ref _unread, out var frame); before = _unread.Length)
        {
            Assert.True(_unread.Length < before, "a frame came of no bytes: a read loop would never end");
            Frames.Add(Describe(frame));
        }
    }

    private static string Describe(in Frame frame) => frame.Kind switch
    {
        FrameKind.Message => string.Create(
            CultureInfo.InvariantCulture,
            $"Message {Encoding.UTF8.GetString(frame.Subject)} {frame.Sid} {Encoding.UTF8.GetString(frame.ReplyTo)} {Text(frame.Headers)} {Text(frame.Payload)}"),
        FrameKind.Info or FrameKind.Error => $"{frame.Kind} {Encoding.UTF8.GetString(frame.Text)}",
        _ => frame.Kind.ToString(),
    };

    private static string Text(in ReadOnlySequence<byte> bytes) => Encoding.UTF8.GetString(bytes).Replace("\r\n", "|", StringComparison.Ordinal);

    /// <summary>Each piece stays a segment of its own, so that every cut is one for the parser too.</summary>
    private static ReadOnlySequence<byte> Join(ReadOnlySequence<byte> before, byte[] piece)
    {
        Segment? first = null, last = null;
        foreach (var memory in before)
            Append(memory);
        Append(piece);
        return new ReadOnlySequence<byte>(first!, 0, last!, last!.Memory.Length);

        void Append(ReadOnlyMemory<byte> memory)
        {
            last = new Segment(memory, last);
            first ??= last;
        }
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(ReadOnlyMemory<byte> memory, Segment? before)
        {
            Memory = memory;
            if (before is null)
                return;
            RunningIndex = before.RunningIndex + before.Memory.Length;
            before.Next = this;
        }
    }
}
