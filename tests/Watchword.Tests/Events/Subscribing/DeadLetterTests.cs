using System.Collections.Concurrent;
using System.Text.Json;
using NATS.Client.Core;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;
using Watchword.Events.Subscribing;

namespace Watchword.Tests.Events.Subscribing;

/// <summary>Promise 4: one bad event stops one user, not the queue, and a redrive resumes in order.</summary>
public class DeadLetterTests(PostgresFixture postgres, NatsFixture nats)
{
    [Fact]
    public async Task A_failing_user_is_parked_after_three_deliveries_everyone_else_flows_and_a_redrive_resumes_in_order()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        var broken = true;
        var attempts = 0;
        var handled = new ConcurrentQueue<(string User, string Name)>();
        await host.StartAsync(s => s.On<UserRegistered>(e =>
        {
            if (e.Data.UserId == "bad" && Volatile.Read(ref broken))
            {
                Interlocked.Increment(ref attempts);
                throw new InvalidOperationException("the mail server refuses bad@example.com");
            }
            handled.Enqueue((e.Data.UserId, e.Data.Name));
            return Task.CompletedTask;
        }));
        await host.RegisterAsync("bad", "1");
        for (var i = 2; i <= 5; i++)
        {
            await host.RegisterAsync("good", $"{i}");
            await host.RegisterAsync("bad", $"{i}");
        }
        await Eventually.TrueAsync(async () => await host.DeadLetters.ListAsync() is [{ Waiting: 4 }]);
        await host.SettledAsync();

        var letter = Assert.Single(await host.DeadLetters.ListAsync());
        Assert.Equal((SubscriberHost.Name, "auth.user.registered", "bad", 3, 1L), (letter.Consumer, letter.Subject, letter.Key, letter.Attempts, letter.Sequence));
        Assert.Equal("InvalidOperationException: the mail server refuses bad@example.com", letter.Reason);
        Assert.Equal(3, attempts);
        Assert.Equal(["2", "3", "4", "5"], handled.Select(h => h.Name));
        Assert.All(handled, h => Assert.Equal("good", h.User));

        // The official client sees the copy: the original bytes and headers, and what is known of the failure.
        var copies = JsonDocument.Parse(await Node.RunAsync("deadletters.mjs", $$"""{"nats":"{{host.Account.Url}}","count":1}""")).RootElement;
        var copy = copies[0];
        Assert.Equal("dlq.email-service", copy.GetProperty("subject").GetString());
        Assert.Equal("bad", copy.GetProperty("body").GetProperty("data").GetProperty("userId").GetString());
        await Eventually.TrueAsync(() => host.Database.ScalarAsync<bool>("SELECT copied FROM watchword.parked_event WHERE state = 'failed'"));
        var headers = copy.GetProperty("headers");
        Assert.Equal("3", headers.GetProperty("Watchword-Attempts").GetString());
        Assert.Equal("auth.user.registered", headers.GetProperty("Watchword-Subject").GetString());
        Assert.Equal("1", headers.GetProperty("Watchword-Sequence").GetString());
        Assert.Equal("email-service", headers.GetProperty("Watchword-Consumer").GetString());
        Assert.Equal("bad", headers.GetProperty("ce-subject").GetString());
        Assert.Contains("refuses", headers.GetProperty("Watchword-Reason").GetString(), StringComparison.Ordinal);

        Volatile.Write(ref broken, false);
        var asked = await host.DeadLetters.RedriveAsync(SubscriberHost.Name, "bad", "ada");
        await Eventually.TrueAsync(async () => await host.DeadLetters.OutcomesAsync(asked) is [{ Left: 0, Applied: 5, Failure: null, IsPending: false }]);
        Assert.Equal(["1", "2", "3", "4", "5"], handled.Where(h => h.User == "bad").Select(h => h.Name));
        Assert.Empty(await host.DeadLetters.ListAsync());

        // The key is free again.
        await host.RegisterAsync("bad", "6");
        await Eventually.TrueAsync(() => handled.Last().Name == "6");
        await Eventually.TrueAsync(async () => await host.Database.ScalarAsync<long>("SELECT count(*) FROM watchword.parked_event WHERE resolved_at IS NULL") == 0);

        var again = await Assert.ThrowsAsync<DeadLetterException>(() => host.DeadLetters.RedriveAsync(SubscriberHost.Name, "bad", "ada"));
        Assert.Contains("was redriven already", again.Message, StringComparison.Ordinal);
        Assert.Contains("by ada", again.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_redrive_that_fails_again_leaves_everything_as_it_was()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        await host.StartAsync(s => s.With(o => o with { MaxDeliver = 1 }).On<UserRegistered>(_ => throw new InvalidOperationException("still broken")));
        await host.RegisterAsync("u", "1");
        await host.RegisterAsync("u", "2");
        await Eventually.TrueAsync(async () => await host.DeadLetters.ListAsync() is [{ Waiting: 1 }]);

        await EventuallyOneAsync(host);   // what is redriven before it was copied is copied when it has failed again
        var asked = await host.DeadLetters.RedriveAsync((await host.DeadLetters.ListAsync())[0].Id, "ada");
        await Eventually.TrueAsync(async () => await host.DeadLetters.OutcomesAsync(asked) is [{ IsPending: false }]);
        var outcome = (await host.DeadLetters.OutcomesAsync(asked))[0];
        Assert.Equal((0L, 2L), (outcome.Applied, outcome.Left));
        Assert.Contains("still broken", outcome.Failure, StringComparison.Ordinal);
        Assert.Equal((2, 1L), (await host.DeadLetters.ListAsync()) is [var letter] ? (letter.Attempts, letter.Waiting) : default);
        // Each failure has its copy.
        await Eventually.TrueAsync(async () => (await host.JetStream.FindStreamAsync("dead-letters"))!.State.Messages == 2);
        Assert.Equal("2", (await host.JetStream.GetMessageAsync("dead-letters", 2))!.Headers.Find("Watchword-Attempts"));
    }

    [Fact]
    public async Task A_discard_wants_a_reason_is_kept_and_lets_the_later_events_go_on()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        var handled = new ConcurrentQueue<string>();
        await host.StartAsync(s => s.On<UserRegistered>(e =>
        {
            if (e.Data.Name == "1")
                throw new InvalidOperationException("no");
            handled.Enqueue(e.Data.Name);
            return Task.CompletedTask;
        }));
        foreach (var name in (string[])["1", "2", "3"])
            await host.RegisterAsync("u", name);
        await Eventually.TrueAsync(async () => await host.DeadLetters.ListAsync() is [{ Waiting: 2 }]);
        var id = (await host.DeadLetters.ListAsync())[0].Id;

        await Assert.ThrowsAsync<DeadLetterException>(() => host.DeadLetters.DiscardAsync(id, " ", "ada"));
        Assert.Empty(handled);
        var details = await host.DeadLetters.FindAsync(id);
        Assert.Equal(("failed", 2), (details!.State, details.Behind.Count));
        Assert.Contains("\"name\":\"1\"", details.Payload, StringComparison.Ordinal);

        await host.DeadLetters.DiscardAsync(id, "a test account", "ada");
        await Eventually.TrueAsync(() => handled.Count == 2);
        Assert.Equal(["2", "3"], handled);
        Assert.Equal("ada discard a test account", await host.Database.ScalarAsync<string>("SELECT actor || ' ' || action || ' ' || reason FROM watchword.dead_letter_action"));
        var gone = await Assert.ThrowsAsync<DeadLetterException>(() => host.DeadLetters.RedriveAsync(id, "ada"));
        Assert.Contains("was discarded", gone.Message, StringComparison.Ordinal);
        Assert.Contains("a test account", gone.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Bad_events_are_set_aside_with_their_reason_and_nothing_else_waits()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        var handled = new ConcurrentQueue<string>();
        await host.StartAsync(s => s.On<UserRegistered>(e =>
        {
            handled.Enqueue(e.Data.UserId);
            return Task.CompletedTask;
        }));
        await host.PublishAsync("auth.user.registered", "{");
        await host.PublishAsync("auth.user.registered", "[]");
        await host.PublishAsync("auth.user.registered", "null");
        await host.JetStream.PublishAsync("auth.user.registered", new byte[] { 0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d });
        await host.PublishAsync("auth.user.registered", SubscriberHost.Registered("wrong", "n").Replace("\"wrong@example.com\"", "42", StringComparison.Ordinal));
        await host.PublishAsync("auth.user.registered", SubscriberHost.Registered("", "n").Replace("\"userId\":\"\",", "", StringComparison.Ordinal));
        await host.PublishAsync("auth.user.registered", SubscriberHost.Registered("big", new string('x', 1_000_000)));
        await host.PublishAsync("auth.user.exploded", """{"data":{"userId":"u"}}""");
        await host.RegisterAsync("good");
        await host.SettledAsync();
        await Eventually.TrueAsync(() => handled.Count == 2);
        Assert.Equal(["big", "good"], handled.Order(StringComparer.Ordinal));   // large is no fault
        var letters = await host.DeadLetters.ListAsync();
        Assert.Equal(6, letters.Count);
        Assert.All(letters, l => Assert.True(l.Attempts == 1 && l.Reason.Length > 5));
        Assert.Contains(letters, l => l.Key == "wrong");
    }

    [Fact]
    public async Task Headers_that_cannot_be_read_stop_nobody()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        var broken = true;
        var handled = new ConcurrentQueue<string>();
        await host.StartAsync(s => s.With(o => o with { MaxDeliver = 1 }).On<UserRegistered>(e =>
        {
            if (e.Data.UserId == "odd" && Volatile.Read(ref broken))
                throw new InvalidOperationException("no");
            handled.Enqueue(e.Data.UserId);
            return Task.CompletedTask;
        }));
        await host.Account.PublishRawAsync("auth.user.registered", "NATS/1.0\r\na bad name: x\r\nnäme: x\r\na-value: with\rCR\r\nce-id: with\rCR\r\na-good-name: value\r\n\r\n", SubscriberHost.Registered("odd", "n"));
        await host.RegisterAsync("good");
        await Eventually.TrueAsync(() => handled.Contains("good"));
        var copy = await EventuallyOneAsync(host);
        Assert.Equal("1", copy.Headers.Find("Watchword-Sequence"));   // NATS.Net 3.3.2 gives none of the original's
        Volatile.Write(ref broken, false);
        await Eventually.TrueAsync(async () => (await host.DeadLetters.ListAsync()).Count == 1);
        await host.DeadLetters.RedriveAsync(SubscriberHost.Name, null, "ada");
        await Eventually.TrueAsync(() => handled.Contains("odd"));
        Assert.Empty(host.Logs.Of(2001).Concat(host.Logs.Of(2002)));
    }

    [Fact]
    public async Task A_copy_that_would_be_too_large_goes_without_its_payload()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        await host.StartAsync(s => s.With(o => o with { MaxDeliver = 1 }).On<UserRegistered>(_ => throw new InvalidOperationException("no")));
        var json = SubscriberHost.Registered("u", new string('x', 1_048_200));   // the server takes 1,048,576 bytes, headers included
        await host.PublishAsync("auth.user.registered", json);
        var copy = await EventuallyOneAsync(host);
        Assert.Equal((0, $"{json.Length}", "1"), (copy.Payload.Length, copy.Headers.Find("Watchword-Left-Out"), copy.Headers.Find("Watchword-Sequence")));
        await host.SettledAsync();
        Assert.Equal(json.Length, (await host.DeadLetters.FindAsync((await host.DeadLetters.ListAsync())[0].Id))!.Payload.Length);
    }

    private static async Task<Delivery> EventuallyOneAsync(SubscriberHost host)
    {
        await Eventually.TrueAsync(async () => (await host.JetStream.FindStreamAsync("dead-letters"))!.State.Messages == 1);
        return (await host.JetStream.GetMessageAsync("dead-letters", 1))!;
    }

    [Fact]
    public async Task What_waits_and_can_never_be_read_is_tried_once()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        var broken = true;
        await host.StartAsync(s => s.On<UserRegistered>(_ => Volatile.Read(ref broken) ? throw new InvalidOperationException("no") : Task.CompletedTask));
        await host.RegisterAsync("u", "1");
        var headers = new NatsHeaders();
        headers.Add(EventHeaders.Key, "u");
        await host.PublishAsync("auth.user.registered", "{", headers);
        await Eventually.TrueAsync(async () => await host.DeadLetters.ListAsync() is [{ Waiting: 1, Attempts: 3 }]);

        Volatile.Write(ref broken, false);
        await host.DeadLetters.RedriveAsync(SubscriberHost.Name, "u", "ada");
        await Eventually.TrueAsync(async () => await host.DeadLetters.ListAsync() is [{ Sequence: 2, Attempts: 1 }]);
    }

    [Fact]
    public async Task What_waits_survives_a_restart_and_keeps_its_order()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        var broken = true;
        var handled = new ConcurrentQueue<string>();
        void Configure(SubscriberBuilder s) => s.On<UserRegistered>(e =>
        {
            if (broken && e.Data.Name == "1")
                throw new InvalidOperationException("no");
            handled.Enqueue(e.Data.Name);
            return Task.CompletedTask;
        });
        await host.StartAsync(Configure);
        await host.RegisterAsync("u", "1");
        await host.RegisterAsync("u", "2");
        await Eventually.TrueAsync(async () => await host.DeadLetters.ListAsync() is [{ Waiting: 1 }]);
        await host.StopAsync();
        await host.DeadLetters.RedriveAsync(SubscriberHost.Name, null, "ada");   // nobody is there: it waits
        var twice = await Assert.ThrowsAsync<DeadLetterException>(() => host.DeadLetters.RedriveAsync(SubscriberHost.Name, null, "bob"));
        Assert.Contains("is being redriven already, asked for by ada", twice.Message, StringComparison.Ordinal);
        Assert.Equal("ada", await host.Database.ScalarAsync<string>("SELECT string_agg(actor, ',') FROM watchword.dead_letter_action"));
        await host.RegisterAsync("u", "3");
        broken = false;
        await host.StartAsync(Configure);
        await Eventually.TrueAsync(() => handled.Count == 3);
        Assert.Equal(["1", "2", "3"], handled);
    }

    [Fact]
    public async Task An_event_that_takes_the_process_down_each_time_ends_as_a_dead_letter()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        await host.StartAsync(s => s.On<UserRegistered>(_ => Task.CompletedTask));
        await host.Logs.LineAsync(2200);
        await host.StopAsync();
        await host.RegisterAsync("u");
        // Deliveries that nobody answers, as from processes that died with the event in hand.
        for (var i = 0; i < 8; i++)
        {
            foreach (var message in await host.JetStream.FetchAsync("auth-events", SubscriberHost.Name, 1, TimeSpan.FromSeconds(5)))
                await message.NakAsync();
        }
        var attempts = new ConcurrentQueue<int>();
        await host.StartAsync(s => s.On<UserRegistered>((_, context, _) =>
        {
            attempts.Enqueue(context.Attempt);
            throw new InvalidOperationException("down");
        }));
        await Eventually.TrueAsync(async () => await host.DeadLetters.ListAsync() is [{ Attempts: 3 }]);
        Assert.Equal([1, 2, 3], attempts);   // each counted before it was made
        Assert.EndsWith("times without an answer; it will be tried alone", (await host.Logs.LineAsync(2216)).Text, StringComparison.Ordinal);
    }
}
