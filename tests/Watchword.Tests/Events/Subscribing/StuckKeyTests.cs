using System.Collections.Concurrent;
using NATS.Client.Core;
using Watchword.Events.Contracts;
using Watchword.Events.Subscribing;

namespace Watchword.Tests.Events.Subscribing;

/// <summary>A key in trouble is always somebody's to free: no queue is left that nobody looks at.</summary>
public class StuckKeyTests(PostgresFixture postgres, NatsFixture nats)
{
    private readonly ConcurrentQueue<string> _handled = [];
    private volatile string _broken = "1";

    private async Task<SubscriberHost> StartAsync(bool exactlyOnce = false)
    {
        var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        await host.StartAsync(s => Configure(s, exactlyOnce));
        return host;
    }

    private void Configure(SubscriberBuilder s, bool exactlyOnce = false)
    {
        if (exactlyOnce)
            s.ExactlyOnce();
        s.With(o => o with { MaxDeliver = 1 }).On<UserRegistered>(e =>
        {
            if (e.Data.Name == _broken)
                throw new InvalidOperationException("no");
            _handled.Enqueue(e.Data.Name);
            return Task.CompletedTask;
        });
    }

    private static async Task<long> LetterAsync(SubscriberHost host, int waiting = 0)
    {
        await Eventually.TrueAsync(async () => await host.DeadLetters.ListAsync() is [var one] && one.Waiting == waiting);
        return (await host.DeadLetters.ListAsync())[0].Id;
    }

    [Fact]
    public async Task A_discard_with_nothing_behind_it_frees_the_key()
    {
        await using var host = await StartAsync();
        await host.RegisterAsync("u", "1");
        await host.DeadLetters.DiscardAsync(await LetterAsync(host), "a test account", "ada");
        await host.RegisterAsync("u", "2");
        await Eventually.TrueAsync(() => _handled.Count == 1);
        await Eventually.TrueAsync(async () => await host.Database.ScalarAsync<long>("SELECT count(*) FROM watchword.parked_event WHERE resolved_at IS NULL OR due_at IS NOT NULL") == 0);
    }

    [Fact]
    public async Task What_was_discarded_and_is_replayed_and_fails_again_is_a_dead_letter_again()
    {
        await using var host = await StartAsync();
        await host.RegisterAsync("u", "1", "event-1");
        var first = await LetterAsync(host);
        await host.DeadLetters.DiscardAsync(first, "a mistake", "ada");

        await ReplayAsync(host, "event-1", "1");

        Assert.NotEqual(first, await LetterAsync(host));
        _broken = "";
        await host.DeadLetters.RedriveAsync(SubscriberHost.Name, "u", "ada");
        await Eventually.TrueAsync(() => _handled.Count == 1);
        Assert.Equal("discarded", (await host.DeadLetters.FindAsync(first))!.State);
    }

    [Fact]
    public async Task A_replay_waits_behind_a_dead_letter_also_where_it_was_redriven_itself_once()
    {
        await using var host = await StartAsync();
        await host.RegisterAsync("u", "1", "event-1");
        var first = await LetterAsync(host);
        _broken = "2";
        await host.DeadLetters.RedriveAsync(SubscriberHost.Name, "u", "ada");
        await Eventually.TrueAsync(async () => (await host.DeadLetters.FindAsync(first))!.State == "redriven");
        await host.RegisterAsync("u", "2", "event-2");
        await LetterAsync(host);

        await ReplayAsync(host, "event-1", "1 again");
        await LetterAsync(host, waiting: 1);
        _broken = "";
        await host.DeadLetters.RedriveAsync(SubscriberHost.Name, "u", "ada");

        await Eventually.TrueAsync(() => _handled.Count == 3);
        Assert.Equal(["1", "2", "1 again"], _handled);
    }

    [Fact]
    public async Task A_waiting_event_that_takes_the_process_down_each_time_ends_as_a_dead_letter()
    {
        await using var host = await StartAsync();
        await host.RegisterAsync("u", "1");
        await host.RegisterAsync("u", "2");
        var first = await LetterAsync(host, waiting: 1);
        await host.StopAsync();
        // As a process leaves it that was killed with the second in hand, after the first was redriven.
        await host.Database.ExecuteAsync("""
            UPDATE watchword.parked_event SET state = 'redriven', resolved_at = now(), resolved_by = 'ada' WHERE id = @first;
            UPDATE watchword.parked_event SET attempts = 1, due_at = now() WHERE id <> @first
            """, new { first });

        await host.StartAsync(s => Configure(s));

        var letter = await LetterAsync(host);
        Assert.Equal("the process ended while it was handled", (await host.DeadLetters.FindAsync(letter))!.Reason);
        Assert.Empty(_handled);
    }

    [Fact]
    public async Task More_replayed_events_of_keys_in_trouble_than_are_handled_side_by_side_disturb_nobody()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        await host.StartAsync(s =>
        {
            Configure(s);
            s.With(o => o with { Concurrency = 2 });
        });
        for (var round = 0; round < 2; round++)
        {
            for (var i = 0; i < 20; i++)
            {
                var headers = new NatsHeaders();
                headers.Add(EventHeaders.EventId, $"event-{i}");   // and no message id, by which the stream would drop it
                headers.Add(EventHeaders.Key, $"u{i}");
                await host.PublishAsync("auth.user.registered", SubscriberHost.Registered($"u{i}", "1"), headers);
            }
            await host.SettledAsync();
        }
        await Eventually.TrueAsync(async () => (await host.DeadLetters.ListAsync()).Count == 20);

        await host.RegisterAsync("good", "good");
        await Eventually.TrueAsync(() => _handled.Contains("good"));
        _broken = "";
        await host.DeadLetters.RedriveAsync(SubscriberHost.Name, null, "ada");
        await Eventually.TrueAsync(() => _handled.Count == 21);
        Assert.Empty(host.Logs.Of(2001).Concat(host.Logs.Of(2002)));
    }

    [Fact]
    public async Task What_waits_behind_an_event_that_was_settled_after_all_is_handled()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        await host.StartAsync(s => s.On<UserRegistered>(async (e, context, _) =>
        {
            if (e.Data.Name == "1")
            {
                if (context.Attempt > 1)
                {
                    await Eventually.TrueAsync(async () => await host.Database.ScalarAsync<long>("SELECT count(*) FROM watchword.parked_event") == 2);
                    // As when the effects and the row's end are committed, and the connection breaks with the answer.
                    await host.Database.ExecuteAsync("DELETE FROM watchword.parked_event WHERE state = 'retrying'");
                }
                throw new InvalidOperationException("no");
            }
            _handled.Enqueue(e.Data.Name);
        }));
        await host.RegisterAsync("u", "1");
        await host.RegisterAsync("u", "2");
        await Eventually.TrueAsync(() => _handled.Count == 1);
        await host.RegisterAsync("u", "3");
        await Eventually.TrueAsync(() => _handled.Count == 2);
        Assert.Equal(["2", "3"], _handled);
        await Eventually.TrueAsync(async () => await host.Database.ScalarAsync<long>("SELECT count(*) FROM watchword.parked_event") == 0);
    }

    [Fact]
    public async Task A_reason_that_is_no_text_stops_nobody()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        await host.StartAsync(s => s.With(o => o with { MaxDeliver = 2 }).On<UserRegistered>(e =>
            e.Data.UserId == "bad" ? throw new InvalidOperationException("cut in half: \ud83d") : Task.Run(() => _handled.Enqueue(e.Data.UserId))));
        await host.RegisterAsync("bad");
        await host.RegisterAsync("good");
        await Eventually.TrueAsync(async () => await host.DeadLetters.ListAsync() is [{ Attempts: 2, Reason: "InvalidOperationException: cut in half: \ufffd" }]);
        Assert.Equal(["good"], _handled);
        Assert.Empty(host.Logs.Of(2001).Concat(host.Logs.Of(2002)));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Names_that_the_database_cannot_keep_stop_nobody(bool exactlyOnce)
    {
        await using var host = await StartAsync(exactlyOnce);
        var random = Convert.ToHexString(System.Security.Cryptography.RandomNumberGenerator.GetBytes(8_000));   // does not compress to fit an index
        foreach (var (key, id) in ((string, string)[])[("nul%00", "nul-key"), (random, "long-key"), ("long-id", random), ("nul-id", "nul\0id")])
        {
            var headers = new NatsHeaders();
            headers.Add(EventHeaders.EventId, id);
            headers.Add(EventHeaders.Key, key);
            await host.PublishAsync("auth.user.registered", SubscriberHost.Registered("u", "1"), headers);
            await host.PublishAsync("auth.user.registered", SubscriberHost.Registered("u", "behind"), Next(headers));
        }
        await host.RegisterAsync("good", "good");

        await Eventually.TrueAsync(() => _handled.Contains("good"));
        await host.SettledAsync();
        await Eventually.TrueAsync(async () => (await host.DeadLetters.ListAsync()).Count(l => l.Waiting == 1) == 4);
        _broken = "";
        await host.DeadLetters.RedriveAsync(SubscriberHost.Name, null, "ada");
        await Eventually.TrueAsync(() => _handled.Count == 9);
        Assert.Equal(4, _handled.Count(n => n == "behind"));
    }

    private static NatsHeaders Next(NatsHeaders first)
    {
        var headers = new NatsHeaders();
        headers.Add(EventHeaders.EventId, "next-" + first.Find(EventHeaders.EventId));
        headers.Add(EventHeaders.Key, first.Find(EventHeaders.Key)!);
        return headers;
    }

    // Another message of the same event, as a replay publishes it.
    private static Task ReplayAsync(SubscriberHost host, string id, string name)
    {
        var headers = new NatsHeaders();
        headers.Add(EventHeaders.EventId, id);
        headers.Add(EventHeaders.Key, "u");
        headers.Add(EventHeaders.Replay, "r");
        return host.PublishAsync("auth.user.registered", SubscriberHost.Registered("u", name), headers);
    }
}
