using System.Buffers;
using System.Globalization;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Watchword.Nats;

namespace Watchword.Tests.Nats;

public class ProtocolParserTests
{
    private const int MaxPayload = 1024;

    [Fact]
    public void Every_kind_of_frame_is_read()
    {
        const string Stream = "INFO {\"server_id\":\"x\"}\r\nPING\r\nPONG\r\n+OK\r\n-ERR 'Stale Connection'\r\n"
            + "MSG a.b 7 5\r\nhello\r\nMSG a.b 7 reply.to 0\r\n\r\n"
            + "HMSG a 1 20 22\r\nNATS/1.0\r\nA: bcd\r\n\r\nhi\r\nHMSG a 1 r 16 16\r\nNATS/1.0 503\r\n\r\n\r\n";

        Assert.Equal(
            [
                "Info {\"server_id\":\"x\"}", "Ping", "Pong", "Ok", "Error Stale Connection",
                "Message a.b 7   hello", "Message a.b 7 reply.to  ",
                "Message a 1  NATS/1.0|A: bcd|| hi", "Message a 1 r NATS/1.0 503|| ",
            ],
            Parse(Encoding.UTF8.GetBytes(Stream)));
    }

    [Fact]
    public void However_a_stream_is_cut_it_says_the_same()
        => Check.One(Config.QuickThrowOnFailure.WithMaxTest(60).WithEndSize(15), Prop.ForAll(Streams().ToArbitrary(), frames =>
        {
            var bytes = Encoding.UTF8.GetBytes(string.Concat(frames));
            var whole = Parse(bytes);
            Assert.Equal(frames.Length, whole.Count);
            for (var cut = 0; cut <= bytes.Length; cut++)
            {
                Assert.Equal(whole, Parse(bytes[..cut], bytes[cut..]));
                Assert.Equal(whole, Parse(bytes[..(cut / 2)], bytes[(cut / 2)..cut], bytes[cut..]));
            }

            Assert.Equal(whole, Parse([.. bytes.Select(b => new[] { b })]));
        }));

    [Fact]
    public void Rubbish_is_refused_or_awaited_but_never_breaks_the_parser()
        => Check.One(Config.QuickThrowOnFailure.WithMaxTest(2000), Prop.ForAll(Damaged().ToArbitrary(), bytes =>
        {
            try
            {
                Parse(bytes);
            }
            catch (NatsProtocolException)
            {
                // That is how it should end.
            }
        }));

    [Theory]
    [InlineData("HELLO\r\n")]
    [InlineData("\r\n")]
    [InlineData("\n")]
    [InlineData("PING\n")]
    [InlineData("PINGS\r\n")]
    [InlineData("MSG a 1\r\n")]
    [InlineData("MSG a x 1\r\na\r\n")]
    [InlineData("MSG a 1 -1\r\n")]
    [InlineData("MSG a 1 99999999999999999999999\r\n")]
    [InlineData("MSG a 1 r 1 1\r\na\r\n")]
    [InlineData("MSG a 1 1025\r\n")]
    [InlineData("MSG a 1 2\r\nabcd\r\n")]
    [InlineData("HMSG a 1 5 4\r\nabcd\r\n")]
    public void What_is_not_the_protocol_is_refused(string text)
        => Assert.Throws<NatsProtocolException>(() => Parse(Encoding.UTF8.GetBytes(text)));

    [Fact]
    public void A_line_without_end_is_refused_at_its_bound()
    {
        Assert.Empty(Parse(Encoding.ASCII.GetBytes("MSG " + new string('a', ProtocolParser.MaxControlLine - 10))));
        Assert.Throws<NatsProtocolException>(() => Parse(Encoding.ASCII.GetBytes("MSG " + new string('a', ProtocolParser.MaxControlLine))));
        Assert.Throws<NatsProtocolException>(() => Parse([.. Enumerable.Repeat("a"u8.ToArray(), ProtocolParser.MaxControlLine + 1)]));
        Assert.Throws<NatsProtocolException>(() => Parse(Encoding.ASCII.GetBytes("MSG " + new string('a', ProtocolParser.MaxControlLine) + " 1 0\r\n\r\n")));
        Assert.Single(Parse(Encoding.ASCII.GetBytes("INFO " + new string('a', 100_000) + "\r\n")));
        Assert.Throws<NatsProtocolException>(() => Parse(Encoding.ASCII.GetBytes("INFO " + new string('a', ProtocolParser.MaxInfoLine))));
    }

    [Fact]
    public void What_a_client_writes_a_client_can_read()
        => Check.One(Config.QuickThrowOnFailure, Prop.ForAll(Messages().ToArbitrary(), m =>
        {
            var headers = new NatsHeaders();
            if (m.HeaderValue is { } value)
                headers.Add("K", value);
            var buffer = new byte[4096];
            var length = ProtocolWriter.WritePublish(
                buffer, SubjectText.Checked(m.Subject), SubjectText.CheckedOrNone(m.Reply), headers.IsEmpty ? default : headers.Encoded, m.Payload);

            // PUB is MSG without the subscription's number.
            var text = Encoding.Latin1.GetString(buffer, 0, length);
            var verb = text.StartsWith("HPUB ", StringComparison.Ordinal) ? "HMSG " : "MSG ";
            text = verb + m.Subject + " 1" + text[(text.IndexOf(' ', StringComparison.Ordinal) + 1 + m.Subject.Length)..];
            var sequence = new ReadOnlySequence<byte>(Encoding.Latin1.GetBytes(text));
            Assert.True(new ProtocolParser(MaxPayload).TryRead(ref sequence, out var frame));
            Assert.Equal(m.Subject, Encoding.UTF8.GetString(frame.Subject));
            Assert.Equal(m.Reply ?? "", Encoding.UTF8.GetString(frame.ReplyTo));
            Assert.Equal(m.Payload, frame.Payload.ToArray());
            Assert.Equal(m.HeaderValue is null ? [] : headers.Encoded.ToArray(), frame.Headers.ToArray());
            Assert.True(sequence.IsEmpty);
        }));

    /// <summary>Feeds the pieces one after another, as a read loop does, and writes down what comes out.</summary>
    private static List<string> Parse(params byte[][] pieces)
    {
        var parser = new ProtocolParser(MaxPayload);
        var frames = new List<string>();
        var unread = ReadOnlySequence<byte>.Empty;
        foreach (var piece in pieces)
        {
            unread = Join(unread, piece);
            while (parser.TryRead(ref unread, out var frame))
                frames.Add(Describe(frame));
        }

        return frames;
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

    private static Gen<string[]> Streams()
    {
        var word = Gen.Elements("a", "foo", "$JS.ACK.s.c.1", "x.y.z", "_INBOX.q");
        var payload = Gen.Elements("", "p", "MSG a 1 2\r\nab\r\n", "\r\n", "\n\r", new string('x', 40));
        var message = from s in word
                      from r in Gen.Elements("", " reply", " _INBOX.a.1")
                      from sid in Gen.Choose(1, 5000)
                      from p in payload
                      select string.Create(CultureInfo.InvariantCulture, $"MSG {s} {sid}{r} {p.Length}\r\n{p}\r\n");
        var withHeaders = from s in word
                          from h in Gen.Elements("NATS/1.0\r\n\r\n", "NATS/1.0\r\nA: b\r\n\r\n", "NATS/1.0 503 No Responders\r\n\r\n")
                          from p in payload
                          select string.Create(CultureInfo.InvariantCulture, $"HMSG {s} 3 {h.Length} {h.Length + p.Length}\r\n{h}{p}\r\n");
        var other = Gen.Elements("PING\r\n", "PONG\r\n", "+OK\r\n", "-ERR 'Slow Consumer'\r\n", "INFO {}\r\n");
        return Gen.OneOf(message, withHeaders, other).ArrayOf();
    }

    private static Gen<byte[]> Damaged()
        => from frames in Streams()
           from place in Gen.Choose(0, 200)
           from value in Gen.Choose(0, 255)
           from tail in Gen.Choose(0, 255).Select(i => (byte)i).ArrayOf()
           let bytes = Encoding.UTF8.GetBytes(string.Concat(frames))
           select (byte[])[.. bytes.Select((b, i) => i == place ? (byte)value : b), .. tail];

    private static Gen<Message> Messages()
        => from subject in Gen.Elements("a", "foo.bar", "x.y.z")
           from reply in Gen.Elements(null, "_INBOX.a", "ré.ply")
           from header in Gen.Elements(null, "", "v", "größe")
           from payload in Gen.Choose(0, 255).Select(i => (byte)i).ArrayOf()
           select new Message(subject, reply, header, payload);

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

    private sealed record Message(string Subject, string? Reply, string? HeaderValue, byte[] Payload);

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
