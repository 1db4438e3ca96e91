using System.Buffers.Binary;
using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Watchword.Nats;

namespace Watchword.Tests.Nats;

/// <summary>What was written and not sent when the connection dropped.</summary>
public sealed class UnsentTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public void However_much_was_sent_whole_commands_remain_and_a_partial_one_from_its_first_byte()
    {
        var commands = Gen.Elements("a", "PUB x 5", "", "two\r\nlines", new string('y', 300))
            .SelectMany(body => Gen.Elements("PUB s {0}\r\n{1}\r\n", "PUB s reply.to {0}\r\n{1}\r\n", "PUB _INBOX.k {0}\r\n{1}\r\n").Select(form => string.Format(null, form, body.Length, body)))
            .ListOf().Select(list => list.ToArray());

        Prop.ForAll(commands.ToArbitrary(), Gen.Choose(0, 2000).ToArbitrary(), (written, sent) =>
        {
            var all = string.Concat(written);
            sent = Math.Min(sent, all.Length);
            var expected = new StringBuilder();
            var end = 0;
            foreach (var command in written)
            {
                end += command.Length;
                if (end > sent)
                    expected.Append(command);
            }

            return Encoding.ASCII.GetString(UnsentCommands.Of(Encoding.ASCII.GetBytes(all), sent)) == expected.ToString();
        }).QuickCheckThrowOnFailure();
    }

    [Theory]
    [InlineData("PING\r\n")]
    [InlineData("PONG\r\n")]
    [InlineData("SUB a 1\r\n")]
    [InlineData("UNSUB 1\r\n")]
    [InlineData("PUB a _INBOX.x.1 2\r\nhi\r\n")]
    [InlineData("HPUB a _INBOX.x.1 12 14\r\nNATS/1.0\r\n\r\nhi\r\n")]
    public void What_belongs_to_its_connection_or_was_told_to_have_failed_is_left_out(string command)
    {
        const string Kept = "HPUB $JS.ACK.x 12 14\r\nNATS/1.0\r\n\r\nhi\r\n";

        var unsent = UnsentCommands.Of(Encoding.ASCII.GetBytes(command + Kept + command), 0);

        Assert.Equal(Kept, Encoding.ASCII.GetString(unsent));
    }

    [Fact]
    public void What_the_next_server_would_refuse_is_left_out()
        => Assert.Equal("PUB b 2\r\nhi\r\n"u8.ToArray(), UnsentCommands.Within("PUB a 5\r\nhello\r\nPUB b 2\r\nhi\r\n"u8.ToArray(), maxPayload: 4));

    [Fact]
    public async Task Publishes_that_a_dying_server_did_not_take_go_to_the_next_one_in_order_and_after_the_subscriptions()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var connection = new NatsConnection(new NatsOptions { Url = server.Url, WriteBufferBytes = 4 * 1024 * 1024, ReconnectDelayMax = TimeSpan.FromMilliseconds(50) });
        await connection.ConnectAsync(Ct);
        await using var subscription = await connection.SubscribeAsync("n", ct: Ct);
        await connection.PingAsync(Ct);

        // More than the sockets' own buffers take, so that much of it is still ours when the server dies.
        server.Suspend();
        var payload = new byte[4096];
        var sent = 0;
        var waiting = Task.CompletedTask;
        for (var bytes = 0; waiting.IsCompleted && bytes < 32 * 1024 * 1024; bytes += payload.Length)
        {
            BinaryPrimitives.WriteInt32LittleEndian(payload, sent);
            waiting = connection.PublishAsync("n", payload, ct: Ct).AsTask();
            await Task.WhenAny(waiting, Task.Delay(300, Ct)); // a server that stands still gives no sign of it
            if (waiting.IsCompleted)
                sent++;
        }

        Assert.False(waiting.IsCompleted); // the buffers are full
        await server.RestartAsync();
        await Eventually.TrueAsync(() => connection.ReconnectCount == 1);
        await waiting.ContinueWith(t => sent += t.IsCompletedSuccessfully ? 1 : 0, Ct, TaskContinuationOptions.None, TaskScheduler.Default);

        var arrived = new List<int>();
        while (arrived.LastOrDefault(-1) != sent - 1)
            arrived.Add(BinaryPrimitives.ReadInt32LittleEndian((await subscription.ReadAsync(Ct).AsTask().WaitAsync(TimeSpan.FromSeconds(10), Ct)).Payload.Span));
        // What the server took before it stood still comes first; what only its socket had taken is lost, in one piece.
        Assert.Equal(arrived.Distinct().Order(), arrived);
        var gaps = arrived.Zip(arrived.Skip(1)).Count(pair => pair.Second != pair.First + 1);
        var kept = arrived.Reverse<int>().TakeWhile((number, i) => number == sent - 1 - i).Count();
        Assert.InRange(gaps, 0, 1);
        Assert.InRange(kept, 200, sent);
    }
}
