using System.Buffers;
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

    private static List<string> Parse(params byte[][] pieces)
    {
        var reading = new PiecewiseParser(MaxPayload);
        foreach (var piece in pieces)
            reading.Feed(piece);
        return reading.Frames;
    }

    private static Gen<Message> Messages()
        => from subject in Gen.Elements("a", "foo.bar", "x.y.z")
           from reply in Gen.Elements(null, "_INBOX.a", "ré.ply")
           from header in Gen.Elements(null, "", "v", "größe")
           from payload in Gen.Choose(0, 255).Select(i => (byte)i).ArrayOf()
           select new Message(subject, reply, header, payload);

    private sealed record Message(string Subject, string? Reply, string? HeaderValue, byte[] Payload);
}
