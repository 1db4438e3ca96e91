using System.Buffers;
using System.Text;
using Watchword.Nats;

namespace Watchword.Tests.Nats;

public class ProtocolTablesTests
{
    [Theory]
    [InlineData("Authorization Violation", "Authentication", true)]
    [InlineData("authorization violation", "Authentication", true)]
    [InlineData("User Authentication Expired", "Authentication", true)]
    [InlineData("Account Authentication Expired", "Authentication", true)]
    [InlineData("Authentication Timeout", "Reconnect", true)]
    [InlineData("Permissions Violation for Publish to \"a\"", "Permission", false)]
    [InlineData("Permissions Violation for Subscription to \"a\" using queue \"q\"", "Permission", false)]
    [InlineData("Stale Connection", "Reconnect", true)]
    [InlineData("Slow Consumer", "Reconnect", true)]
    [InlineData("Server Shutdown", "Reconnect", true)]
    [InlineData("maximum connections exceeded", "Limit", false)]
    [InlineData("maximum account active connections exceeded", "Limit", false)]
    [InlineData("maximum subscriptions exceeded", "Limit", false)]
    [InlineData("Maximum Payload Violation", "Protocol", true)]
    [InlineData("Unknown Protocol Operation", "Protocol", true)]
    [InlineData("Parser Error", "Protocol", true)]
    [InlineData("Secure Connection - TLS Required", "Tls", true)]
    [InlineData("something new", "Unknown", false)]
    public void Server_errors_are_told_apart(string text, string kind, bool fatal)
    {
        Assert.Equal(kind, ServerError.Classify(text).ToString());
        Assert.Equal(fatal, ServerError.IsFatal(ServerError.Classify(text)));
    }

    [Fact]
    public void A_refusal_names_its_subject()
    {
        Assert.Equal("a.b", ServerError.DeniedPublish("Permissions Violation for Publish to \"a.b\""));
        Assert.Equal(("a.>", "q"), ServerError.DeniedSubscription("Permissions Violation for Subscription to \"a.>\" using queue \"q\""));
        Assert.Equal(("a", null), ServerError.DeniedSubscription("Permissions Violation for Subscription to \"a\""));
        Assert.Null(ServerError.DeniedPublish("Permissions Violation for Subscription to \"a\""));
        Assert.Null(ServerError.DeniedSubscription("Stale Connection"));
    }

    [Theory]
    [InlineData(100, "Idle Heartbeat", "Heartbeat")]
    [InlineData(404, "No Messages", "Expired")]
    [InlineData(408, "Request Timeout", "Expired")]
    [InlineData(400, "Bad Request", "End")]
    [InlineData(409, "Consumer Deleted", "End")]
    [InlineData(409, "Consumer is push based", "End")]
    [InlineData(409, "Leadership Change", "PullAgain")]
    [InlineData(409, "Server Shutdown", "AwaitReconnect")]
    [InlineData(409, "Message Size Exceeds MaxBytes", "BytesSpent")]
    [InlineData(409, "Exceeded MaxRequestBatch of 10", "Refused")]
    [InlineData(409, "Exceeded MaxRequestExpires of 1s", "Refused")]
    [InlineData(409, "Exceeded MaxWaiting", "Refused")]
    [InlineData(409, "something new", "Refused")]
    [InlineData(503, "", "NoResponders")]
    [InlineData(599, "what?", "Refused")]
    public void Pull_statuses_are_told_apart(int code, string text, string action)
        => Assert.Equal(action, PullStatus.Classify(code, text).ToString());

    [Theory]
    [InlineData("$JS.ACK.s.c.3.10.20.1700000000123456789.7")]
    [InlineData("$JS.ACK.hub.ACCHASH.s.c.3.10.20.1700000000123456789.7")]
    [InlineData("$JS.ACK._.ACCHASH.s.c.3.10.20.1700000000123456789.7.random")]
    public void Ack_subjects_old_and_new_are_read(string subject)
    {
        Assert.True(AckSubject.TryParse(Encoding.ASCII.GetBytes(subject), out var ack));
        Assert.Equal("s", Encoding.ASCII.GetString(ack.Stream));
        Assert.Equal("c", Encoding.ASCII.GetString(ack.Consumer));
        Assert.Equal((3, 10UL, 20UL, 1700000000123456789L, 7UL), (ack.Delivered, ack.StreamSequence, ack.ConsumerSequence, ack.Time, ack.Pending));
    }

    [Theory]
    [InlineData("")]
    [InlineData("_INBOX.a.b")]
    [InlineData("$JS.ACK.s.c.3.10.20.1700000000123456789")]
    [InlineData("$JS.ACK.x.s.c.3.10.20.1700000000123456789.7")]
    [InlineData("$JS.ACK.s.c.three.10.20.1700000000123456789.7")]
    [InlineData("$JS.ACK.s.c.3.10.20.1700000000123456789.-7")]
    public void Other_reply_subjects_are_not_acks(string subject)
        => Assert.False(AckSubject.TryParse(Encoding.ASCII.GetBytes(subject), out _));

    [Theory]
    [InlineData("2.9.10", false)]
    [InlineData("2.10.3", false)]
    [InlineData("2.10.4", true)]
    [InlineData("2.11.0-preview.1", true)]
    [InlineData("", false)]
    public void A_reason_to_terminate_is_only_given_to_servers_that_take_it(string version, bool takes)
        => Assert.Equal(takes, JetStreamMessage.TermTakesReason(version));

    [Theory]
    [InlineData("""{"stream":"s","seq":5}""", 5UL, false)]
    [InlineData("""{"stream":"s","domain":"d","seq":5,"duplicate":true,"new":{"a":[1]}}""", 5UL, true)]
    public void Acks_are_read(string json, ulong sequence, bool duplicate)
        => Assert.Equal(new PublishAck("s", sequence, duplicate), new PublishAckReader().Read(Bytes(json)));

    [Fact]
    public void Refusals_and_rubbish_are_not_acks()
    {
        var refusal = """{"error":{"code":400,"err_code":10070,"description":"wrong last msg ID: 3"},"stream":"s","seq":0}""";

        var error = Assert.Throws<JetStreamApiException>(() => new PublishAckReader().Read(Bytes(refusal)));
        Assert.Equal((400, 10070, "wrong last msg ID: 3", false), (error.Code, error.ErrorCode, error.Description, error.IsTransient));
        foreach (var rubbish in (string[])["", "x", "[]", "{}", """{"stream":5}""", """{"seq":"x"}""", """{"stream":"s","""])
            Assert.Throws<NatsProtocolException>(() => new PublishAckReader().Read(Bytes(rubbish)));
    }

    [Fact]
    public void The_wait_before_an_attempt_doubles_up_to_its_bound()
    {
        var (min, max) = (TimeSpan.FromMilliseconds(50), TimeSpan.FromSeconds(2));
        Assert.Equal(TimeSpan.Zero, Backoff.Delay(0, min, max));
        for (var failures = 1; failures < 100; failures++)
        {
            var step = Math.Min(50 * Math.Pow(2, failures - 1), 2000);
            Assert.InRange(Backoff.Delay(failures, min, max).TotalMilliseconds, step / 2, step);
        }
    }

    private static ReadOnlySequence<byte> Bytes(string json) => new(Encoding.UTF8.GetBytes(json));
}
