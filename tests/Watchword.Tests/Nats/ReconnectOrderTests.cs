using System.Diagnostics;
using Watchword.Nats;

namespace Watchword.Tests.Nats;

/// <summary>Where a client turns when it has lost its server, when, and what it says there first.</summary>
public class ReconnectOrderTests
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task After_a_drop_come_CONNECT_then_the_subscriptions_with_their_numbers_then_writes()
    {
        await using var server = new ScriptedServer();
        await using var connection = new NatsConnection(new NatsOptions { Url = server.Url });
        connection.Start();
        await using var one = await connection.SubscribeAsync("one", ct: Ct);
        await using var gone = await connection.SubscribeAsync("gone", ct: Ct);
        await using var two = await connection.SubscribeAsync("two", "workers", ct: Ct);
        var peer = await server.WelcomeAsync();
        await connection.WaitUntilOpenAsync(Ct);
        await gone.DisposeAsync();
        await peer.NextAsync("UNSUB");
        var before = new List<string> { "SUB one 2", "SUB two workers 4" };
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        var eager = PublishAlwaysAsync(connection, stop.Token);
        await peer.NextAsync("PUB");

        peer.Leave();
        await peer.GoneAsync();
        peer = await server.AcceptAsync();
        await peer.SendAsync(ScriptedPeer.Info());
        Assert.Equal("CONNECT", (await peer.NextAsync()).Verb);
        Assert.Equal("PING", (await peer.NextAsync()).Verb);
        await peer.SendAsync("PONG\r\n");

        Assert.StartsWith("SUB _INBOX.", (await peer.NextAsync()).Line, StringComparison.Ordinal);
        foreach (var subscription in before)
            Assert.Equal(subscription, (await peer.NextAsync()).Line);
        Assert.Equal("PUB", (await peer.NextAsync()).Verb);
        await peer.DeliverAsync("two", "hello");
        Assert.Equal("two", (await two.ReadAsync(Ct)).Subject);
        await stop.CancelAsync();
        await eager;
    }

    [Fact]
    public async Task The_first_attempt_is_made_at_once_and_each_further_one_waits_longer()
    {
        await using var server = new ScriptedServer();
        await using var connection = new NatsConnection(new NatsOptions
        {
            Url = server.Url,
            ReconnectDelayMin = TimeSpan.FromMilliseconds(800),
            ReconnectDelayMax = TimeSpan.FromSeconds(2),
        });
        connection.Start();
        var peer = await server.WelcomeAsync();
        await connection.WaitUntilOpenAsync(Ct);
        // A session shorter than the longest delay counts as a failure, and would be waited after.
        await Task.Delay(TimeSpan.FromSeconds(2.1), Ct);

        var waits = new List<double>();
        for (var i = 0; i < 3; i++)
        {
            var clock = Stopwatch.StartNew();
            await peer.DisposeAsync();
            peer = await server.AcceptAsync();
            waits.Add(clock.Elapsed.TotalMilliseconds);
        }

        // Between half and all of 800 and 1,600 ms, and room above for a busy machine.
        Assert.InRange(waits[0], 0, 390);
        Assert.InRange(waits[1], 390, 2_000);
        Assert.InRange(waits[2], 790, 4_000);
    }

    [Fact]
    public async Task The_server_that_was_lost_is_tried_last()
    {
        await using var first = new ScriptedServer();
        await using var second = new ScriptedServer();
        await using var connection = new NatsConnection(new NatsOptions { Url = $"{first.Url},{second.Url}" });
        connection.Start();
        var peer = await first.WelcomeAsync();
        await connection.WaitUntilOpenAsync(Ct);

        await peer.DisposeAsync();
        peer = await second.WelcomeAsync();
        await connection.WaitUntilOpenAsync(Ct);
        Assert.Equal(1, connection.ReconnectCount);
        await peer.DisposeAsync();
        await first.WelcomeAsync();
        await connection.WaitUntilOpenAsync(Ct);
        Assert.Equal(2, connection.ReconnectCount);
    }

    [Fact]
    public async Task Servers_that_the_cluster_names_are_used_and_forgotten_and_seeds_are_kept()
    {
        await using var seed = new ScriptedServer();
        await using var learnt = new ScriptedServer();
        await using var connection = new NatsConnection(new NatsOptions
        {
            Url = $"nats://me:secret@127.0.0.1:{seed.Port}",
            ReconnectDelayMin = TimeSpan.FromMilliseconds(1),
            ReconnectDelayMax = TimeSpan.FromMilliseconds(1),
        });
        connection.Start();
        var peer = await seed.WelcomeAsync();
        await connection.WaitUntilOpenAsync(Ct);
        await peer.SendAsync(ScriptedPeer.Info($"\"connect_urls\":[\"127.0.0.1:{learnt.Port}\",\"not a url\"]"));
        await PongAsync(connection, peer);

        await peer.DisposeAsync();
        peer = await learnt.AcceptAsync();
        await peer.SendAsync(ScriptedPeer.Info("\"connect_urls\":[]"));
        Assert.Contains("\"user\":\"me\",\"pass\":\"secret\"", (await peer.NextAsync("CONNECT")).Line, StringComparison.Ordinal);
        await peer.SendAsync("PONG\r\n");
        await connection.WaitUntilOpenAsync(Ct);

        // The one that named nobody is still the last used; but back at the seed, nothing leads there any more.
        await peer.DisposeAsync();
        peer = await seed.WelcomeAsync();
        await connection.WaitUntilOpenAsync(Ct);
        await peer.DisposeAsync();
        await seed.WelcomeAsync();
        await connection.WaitUntilOpenAsync(Ct);
        Assert.Equal(3, connection.ReconnectCount);
    }

    private static async Task PongAsync(NatsConnection connection, ScriptedPeer peer)
    {
        var ping = connection.PingAsync(Ct);
        await peer.PongAsync();
        await ping;
    }

    private static async Task PublishAlwaysAsync(NatsConnection connection, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            try
            {
                await connection.PublishAsync("eager", ct: Ct);
            }
            catch (NatsDisconnectedException)
            {
                // At it again, as soon as anything is taken.
            }

            await Task.Yield();
        }
    }
}
