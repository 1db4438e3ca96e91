using System.Globalization;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Watchword.Nats;

namespace Watchword.Tests.Nats;

/// <summary>The parser against whatever may come, cut in whatever way.</summary>
public class ProtocolFuzzTests
{
    private const int MaxPayload = 1024;

    // The longest that may ever be waited for: a line, and a message that it announces.
    private const int MostUnread = ProtocolParser.MaxInfoLine + MaxPayload + 2;

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public void However_a_stream_is_cut_it_says_what_was_put_into_it()
        => Check.One(Config.QuickThrowOnFailure.WithMaxTest(60).WithEndSize(15), Prop.ForAll(Streams().ToArbitrary(), frames =>
        {
            var bytes = Join(frames);
            var said = frames.Select(f => f.Says).ToArray();
            for (var cut = 0; cut <= bytes.Length; cut++)
            {
                Assert.Equal((said, false), Parse(bytes, cut), Outcomes);
                Assert.Equal((said, false), Parse(bytes, cut / 2, cut), Outcomes);
            }

            Assert.Equal((said, false), Parse(bytes, [.. Enumerable.Range(0, bytes.Length)]), Outcomes);
        }));

    [Fact]
    public void However_often_a_stream_is_cut_it_says_what_was_put_into_it()
        => Check.One(Config.QuickThrowOnFailure.WithMaxTest(500), Prop.ForAll(Streams().ToArbitrary(), Cuts().ToArbitrary(), (frames, cuts) =>
            Assert.Equal((frames.Select(f => f.Says).ToArray(), false), Parse(Join(frames), cuts), Outcomes)));

    [Fact]
    public void What_came_before_the_damage_is_said_and_the_damage_is_the_same_however_it_is_cut()
        => Check.One(Config.QuickThrowOnFailure.WithMaxTest(2000), Prop.ForAll(Damaged().ToArbitrary(), Cuts().ToArbitrary(), (damaged, cuts) =>
        {
            var whole = Parse(damaged.Bytes);
            Assert.Equal(damaged.Whole, whole.Said.Take(damaged.Whole.Length));
            Assert.Equal(whole, Parse(damaged.Bytes, cuts), Outcomes);
        }));

    [Fact]
    public void Damage_is_refused_or_awaited_within_a_bound()
        => Check.One(Config.QuickThrowOnFailure.WithMaxTest(300), Prop.ForAll(Damaged().ToArbitrary(), Gen.Elements("x", " ", "\n", "\r\n", "9", "MSG a 1 9\r\n").ToArbitrary(), (damaged, filler) =>
        {
            // Whatever follows it, and however much: the parser makes something of it, or gives up.
            var reading = new PiecewiseParser(MaxPayload);
            var more = Encoding.ASCII.GetBytes(string.Concat(Enumerable.Repeat(filler, MostUnread / filler.Length + 1)));
            try
            {
                reading.Feed(damaged.Bytes);
                reading.Feed(more);
                Assert.InRange(reading.Unread, 0, MostUnread);
            }
            catch (NatsProtocolException)
            {
                // That is how it should end.
            }
        }));

    [Fact]
    public async Task A_server_that_talks_rubbish_is_left_and_the_next_session_is_a_good_one()
    {
        await using var server = new ScriptedServer();
        await using var connection = new NatsConnection(new NatsOptions
        {
            Url = server.Url,
            ReconnectDelayMin = TimeSpan.FromMilliseconds(1),
            ReconnectDelayMax = TimeSpan.FromMilliseconds(1),
            MaxInboundPayload = MaxPayload,
        });
        connection.Start();
        await using var subscription = await connection.SubscribeAsync("good", ct: Ct);
        var peer = await server.WelcomeAsync();
        var round = 0;
        foreach (var damaged in Damaged().Sample(100))
        {
            await peer.SendAsync(damaged.Bytes);
            // What is neither refused nor understood may be waited for; half a message is all that it can be.
            peer.Leave();
            await peer.GoneAsync();

            peer = await server.WelcomeAsync();
            await peer.NextAsync("SUB");
            await peer.NextAsync("SUB");
            var mark = string.Create(CultureInfo.InvariantCulture, $"round {++round}");
            await peer.DeliverAsync("good", mark);
            NatsMessage message;
            do
                message = await subscription.ReadAsync(Ct); // rubbish may hold whole messages, too
            while (message.Subject != "good");
            Assert.Equal(mark, Encoding.UTF8.GetString(message.Payload.Span));
            await connection.WaitUntilOpenAsync(Ct);
            Assert.Equal(round, connection.ReconnectCount);
            Assert.Equal(NatsConnectionState.Open, connection.State);
        }
    }

    private static (string[] Said, bool Refused) Parse(byte[] bytes, params int[] cuts)
    {
        var reading = new PiecewiseParser(MaxPayload);
        try
        {
            var start = 0;
            foreach (var cut in cuts.Select(c => c % (bytes.Length + 1)).Order().Append(bytes.Length))
            {
                reading.Feed(bytes[start..cut]);
                start = cut;
            }

            return ([.. reading.Frames], false);
        }
        catch (NatsProtocolException)
        {
            return ([.. reading.Frames], true);
        }
    }

    private static bool Outcomes((string[] Said, bool Refused) a, (string[] Said, bool Refused) b)
        => a.Refused == b.Refused && a.Said.SequenceEqual(b.Said);

    private static byte[] Join(IEnumerable<Sample> frames) => Encoding.UTF8.GetBytes(string.Concat(frames.Select(f => f.Text)));

    private static Gen<int[]> Cuts() => Gen.Choose(0, 100_000).ArrayOf();

    /// <summary>Any stream of frames, each with what it says.</summary>
    private static Gen<Sample[]> Streams()
    {
        var word = Gen.Elements("a", "foo", "$JS.ACK.s.c.1", "x.y.z", "_INBOX.q");
        var payload = Gen.Elements("", "p", "MSG a 1 2\r\nab\r\n", "\r\n", "\n\r", new string('x', 40));
        var message = from s in word
                      from r in Gen.Elements("", "reply", "_INBOX.a.1")
                      from sid in Gen.Choose(1, 5000)
                      from p in payload
                      let reply = r.Length == 0 ? "" : " " + r
                      select Sample.Of($"MSG {s} {sid}{reply} {p.Length}\r\n{p}\r\n", $"Message {s} {sid} {r}  {p}");
        var withHeaders = from s in word
                          from h in Gen.Elements("NATS/1.0\r\n\r\n", "NATS/1.0\r\nA: b\r\n\r\n", "NATS/1.0 503 No Responders\r\n\r\n")
                          from p in payload
                          select Sample.Of($"HMSG {s} 3 {h.Length} {h.Length + p.Length}\r\n{h}{p}\r\n", $"Message {s} 3  {h} {p}");
        var other = Gen.Elements(
            Sample.Of($"PING\r\n", $"Ping"),
            Sample.Of($"PONG\r\n", $"Pong"),
            Sample.Of($"+OK\r\n", $"Ok"),
            Sample.Of($"-ERR 'Slow Consumer'\r\n", $"Error Slow Consumer"),
            Sample.Of($"INFO {{}}\r\n", $"Info {{}}"));
        return Gen.OneOf(message, withHeaders, other).ArrayOf();
    }

    /// <summary>A stream that is good up to some place, and what of it is whole; or nothing but random bytes.</summary>
    private static Gen<Damage> Damaged()
    {
        var bytes = Gen.Choose(0, 255).Select(i => (byte)i).ArrayOf();
        var inStream = from frames in Streams()
                       from tail in Streams()
                       from cut in Gen.Choose(0, 40)
                       from rubbish in Gen.OneOf(bytes, Gen.Elements("\r\n"u8.ToArray(), "MSG"u8.ToArray(), "9"u8.ToArray(), "\0"u8.ToArray()))
                       let rest = Join(tail)
                       select new Damage([.. Join(frames), .. rest.Take(cut), .. rubbish, .. rest.Skip(cut + 1)], [.. frames.Select(f => f.Says)]);
        return Gen.OneOf(inStream, bytes.Select(b => new Damage(b, [])));
    }

    private sealed record Sample(string Text, string Says)
    {
        public static Sample Of(FormattableString text, FormattableString says)
            => new(FormattableString.Invariant(text), FormattableString.Invariant(says).Replace("\r\n", "|", StringComparison.Ordinal));
    }

    private sealed record Damage(byte[] Bytes, string[] Whole);
}
