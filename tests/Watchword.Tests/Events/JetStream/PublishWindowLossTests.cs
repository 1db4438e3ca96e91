using System.Collections.Concurrent;
using System.Diagnostics;
using NATS.Client.Core;
using Watchword.Events.JetStream;

namespace Watchword.Tests.Events.JetStream;

/// <summary>Publishing to a server that dies, is away, or hangs: no message waits for ever, and none has two results.</summary>
public sealed class PublishWindowLossTests : OwnServer
{
    [Fact]
    public async Task All_that_wait_for_their_ack_fail_when_the_server_is_killed()
    {
        const int Count = 500;
        await using var window = await PublishWindow.OpenAsync(Client, Count, Ct);
        Server.Suspend();
        for (var i = 0; i < Count; i++)
            await window.PublishAsync("s.x", [], [], i, Ct);
        var since = Stopwatch.GetTimestamp();
        await Server.KillAsync();

        var results = await ReadAsync(window, Count);

        Assert.InRange(Stopwatch.GetElapsedTime(since).TotalSeconds, 0, 4);   // before the ack time-out
        Assert.Equal(Enumerable.Range(0, Count).Select(i => (long)i), results.Select(r => r.Tag).Order());
        Assert.All(results, r => Assert.True(Assert.IsType<NatsAwayException>(r.Error).IsTransient()));
    }

    [Fact]
    public async Task Killed_under_load_each_accepted_message_has_one_result_and_the_window_goes_on_afterwards()
    {
        await using var window = await PublishWindow.OpenAsync(Client, 256, Ct);
        ConcurrentQueue<PublishResult> results = [];
        var reading = Task.Run(async () =>
        {
            await foreach (var result in window.Results.ReadAllAsync(Ct))
                results.Enqueue(result);
        }, Ct);
        var accepted = 0L;
        for (var restart = 0; restart < 3; restart++)
        {
            var opened = Client.OpenedTotal;
            var killing = Task.Run(Server.KillAsync, Ct);
            while (!killing.IsCompleted || Client.IsOpen)
                accepted += await TryPublishAsync(window, accepted) ? 1 : 0;
            await killing;
            await Server.StartAsync();
            await Eventually.TrueAsync(() => Client.OpenedTotal > opened && Client.IsOpen);
            for (var i = 0; i < 500; i++)
                accepted += await TryPublishAsync(window, accepted) ? 1 : 0;
        }
        await Eventually.TrueAsync(() => results.Count >= accepted);
        await window.DisposeAsync();
        await reading;

        Assert.Equal(Enumerable.Range(0, (int)accepted).Select(i => (long)i), results.Select(r => r.Tag).Order());
        var stored = (await Client.ReadAllAsync("s")).Select(m => BitConverter.ToInt64(m.Payload)).ToList();
        Assert.Empty(results.Where(r => r.Error is null).Select(r => r.Tag).Except(stored));
        Assert.Equal(stored.Distinct(), stored);
        Assert.Null(results.Single(r => r.Tag == accepted - 1).Error);   // sent after the last restart
    }

    [Fact]
    public async Task A_publish_while_nats_is_away_fails_at_once()
    {
        await using var window = await PublishWindow.OpenAsync(Client, 10, Ct);
        await Server.KillAsync();
        await Eventually.TrueAsync(() => !Client.IsOpen);
        var since = Stopwatch.GetTimestamp();

        for (var i = 0; i < 20; i++)   // twice what has room
            await Assert.ThrowsAsync<NatsAwayException>(async () => await window.PublishAsync("s.x", [], [], i, Ct));
        await Assert.ThrowsAsync<NatsAwayException>(() => PublishWindow.OpenAsync(Client, 10, Ct));

        Assert.InRange(Stopwatch.GetElapsedTime(since).TotalSeconds, 0, 1);
        Assert.False(window.Results.TryRead(out _));
    }

    [Fact]
    public async Task A_server_that_hangs_costs_the_ack_time_out_and_no_more()
    {
        await using var window = await PublishWindow.OpenAsync(Client, 10, Ct);
        Server.Suspend();
        var since = Stopwatch.GetTimestamp();
        for (var i = 0; i < 3; i++)
            await window.PublishAsync("s.x", [], [], i, Ct);

        var results = await ReadAsync(window, 3);
        Server.Resume();

        Assert.InRange(Stopwatch.GetElapsedTime(since).TotalSeconds, 4.5, 8);
        Assert.All(results, r => Assert.Contains("no ack came within 5 s", Assert.IsType<NatsAwayException>(r.Error).Message, StringComparison.Ordinal));
        // Their acks come now, and are nobody's.
        await window.PublishAsync("s.x", [], [], 7, Ct);
        var next = await window.Results.ReadAsync(Ct);
        Assert.Equal((7, null, 4UL), (next.Tag, next.Error, next.Sequence));
        Assert.False(window.Results.TryRead(out _));
    }

    [Fact]
    public async Task Closing_the_window_fails_what_still_waits()
    {
        var window = await PublishWindow.OpenAsync(Client, 10, Ct);
        Server.Suspend();
        await window.PublishAsync("s.x", [], [], 1, Ct);
        await window.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(10), Ct);
        Server.Resume();

        var result = Assert.Single(await window.Results.ReadAllAsync(Ct).ToListAsync(Ct));
        Assert.Equal(1, result.Tag);
        Assert.IsType<NatsAwayException>(result.Error);
    }

    private static async Task<bool> TryPublishAsync(PublishWindow window, long tag)
    {
        try
        {
            await window.PublishAsync("s.x", BitConverter.GetBytes(tag), [], tag, Ct);
            return true;
        }
        catch (NatsException e) when (e.IsTransient())
        {
            return false;
        }
    }

    private static async Task<List<PublishResult>> ReadAsync(PublishWindow window, int count)
    {
        using var patience = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        patience.CancelAfter(TimeSpan.FromSeconds(30));
        List<PublishResult> results = [];
        while (results.Count < count)
            results.Add(await window.Results.ReadAsync(patience.Token));
        return results;
    }
}
