using System.Text;
using Watchword.Nats;

namespace Watchword.Tests.Nats;

public class NatsHeadersTests
{
    [Fact]
    public void The_block_is_what_travels()
    {
        var headers = new NatsHeaders { { "A", "b" }, { "Nats-Msg-Id", Guid.Empty } };
        headers.Add("Bytes", "ü"u8);

        Assert.Equal($"NATS/1.0\r\nA: b\r\nNats-Msg-Id: {Guid.Empty}\r\nBytes: ü\r\n\r\n", Encoding.UTF8.GetString(headers.Encoded));
        Assert.Equal("ü", headers["Bytes"]);
        Assert.Null(headers["a"]);
        headers.Clear();
        Assert.True(headers.IsEmpty);
        Assert.Empty(headers);
    }

    [Theory]
    [InlineData("")]
    [InlineData("two words")]
    [InlineData("co:lon")]
    [InlineData("new\nline")]
    [InlineData("ümlaut")]
    public void Bad_names_are_refused(string name)
    {
        var headers = new NatsHeaders();
        Assert.ThrowsAny<ArgumentException>(() => headers.Add(name, "v"));
        Assert.True(headers.IsEmpty);
    }

    [Theory]
    [InlineData("a\rb")]
    [InlineData("a\nb")]
    [InlineData("a\r\nEvil: yes")]
    public void Values_that_would_add_a_header_are_refused(string value)
    {
        var headers = new NatsHeaders();
        Assert.Throws<ArgumentException>(() => headers.Add("A", value));
        Assert.Throws<ArgumentException>(() => headers.Add("A", Encoding.UTF8.GetBytes(value)));
        Assert.True(headers.IsEmpty);
    }

    [Fact]
    public void Reuse_allocates_nothing()
    {
        var headers = new NatsHeaders();
        Fill(headers);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 1000; i++)
            Fill(headers);

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1000);

        static void Fill(NatsHeaders headers)
        {
            headers.Clear();
            for (var i = 0; i < 10; i++)
                headers.Add("ce-something", "a value that is rather long, as they are");
            headers.Add("Watchword-Version", 1_700_000_000_000_000L);
        }
    }

    [Theory]
    [InlineData("NATS/1.0 503\r\n\r\n", 503, "")]
    [InlineData("NATS/1.0 503 No Responders\r\n\r\n", 503, "No Responders")]
    [InlineData("NATS/1.0 100 Idle Heartbeat\r\nA: b\r\n\r\n", 100, "Idle Heartbeat")]
    [InlineData("NATS/1.0\r\nA: b\r\n\r\n", 0, "")]
    [InlineData("", 0, "")]
    [InlineData("NATS/1.0 xyz\r\n\r\n", 0, "")]
    public void Statuses_are_read(string block, int status, string text)
    {
        var headers = Received(block);
        Assert.Equal((status, text), (headers.Status, headers.StatusText));
    }

    [Fact]
    public void Odd_lines_of_a_peer_are_passed_over()
    {
        var headers = Received("NATS/1.0\r\nno colon\r\n: no name\r\nA:b\r\nB:   c  \r\nC:\r\n\r\n");

        Assert.Equal(
            [new("A", "b"), new("B", "c"), new("C", "")],
            headers.ToArray());
        Assert.Throws<InvalidOperationException>(() => headers.Add("D", "e"));
        Assert.Throws<InvalidOperationException>(headers.Clear);
    }

    private static NatsHeaders Received(string block)
    {
        var bytes = Encoding.UTF8.GetBytes(block);
        return new NatsHeaders(bytes, 0, bytes.Length);
    }
}
