using Dapper;
using NATS.Client.Core;
using Watchword.Events.Contracts;
using Watchword.Events.Subscribing;

namespace Watchword.Tests.Events.Subscribing;

/// <summary>The idempotency store: the effects of an event commit with the mark that it was handled, or not at all.</summary>
public class ExactlyOnceTests(PostgresFixture postgres, NatsFixture nats)
{
    private const int Events = 8_000;
    private const int Users = 200;
    private const int Kills = 4;

    private async Task<SubscriberHost> CreateAsync()
    {
        var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        await host.Database.ExecuteAsync("CREATE TABLE effect (id bigint GENERATED ALWAYS AS IDENTITY, who text NOT NULL, what text NOT NULL)");
        return host;
    }

    private static Task<int> WriteAsync(UserRegistered e, EventContext context) =>
        context.Connection.ExecuteAsync("INSERT INTO effect (who, what) VALUES (@UserId, @Name)", new { e.Data.UserId, e.Data.Name }, context.Transaction);

    [Fact]
    public async Task Each_effect_happens_once_however_often_the_process_is_killed()
    {
        await using var host = await CreateAsync();
        var random = TestRandom.Create();
        await host.JetStream.PublishManyAsync("auth.user.registered", Events, i => System.Text.Encoding.UTF8.GetBytes(SubscriberHost.Registered($"u{i % Users}", $"{i}")), i => Headers($"u{i % Users}"));

        var kills = 0;
        for (var left = (long)Events; left > 0;)
        {
            using var process = await TestHostProcess.StartAsync("effects", host);
            try
            {
                // At random moments, but not before it has done something.
                await Eventually.TrueAsync(async () => process.HasExited || Events - await CountAsync(host) < left, TimeSpan.FromSeconds(60));
                await Task.Delay(random.Next(0, 400));
                if (kills++ == Kills)
                    await Eventually.TrueAsync(async () => await CountAsync(host) >= Events && await host.JetStream.FindConsumerAsync("auth-events", SubscriberHost.Name) is { NumPending: 0, NumAckPending: 0 }, TimeSpan.FromSeconds(90));
            }
            finally
            {
                process.Kill();
                await process.WaitForExitAsync();
            }
            left = kills > Kills ? 0 : Math.Max(1, Events - await CountAsync(host));
        }
        Assert.Equal(Events, await CountAsync(host));
        Assert.Equal(Events, await host.Database.ScalarAsync<long>("SELECT count(DISTINCT what) FROM effect"));
        Assert.Equal(0, await host.Database.ScalarAsync<long>("SELECT count(*) FROM watchword.parked_event"));
        var disorder = await host.Database.ScalarAsync<long>("""
            SELECT count(*) FROM (SELECT what::int - lag(what::int) OVER (PARTITION BY who ORDER BY id) AS step FROM effect) s WHERE step <= 0
            """);
        Assert.Equal(0, disorder);
    }

    [Fact]
    public async Task A_failing_event_takes_back_its_own_effects_and_nobody_else_s()
    {
        await using var host = await CreateAsync();
        for (var i = 0; i < 200; i++)
            await host.RegisterAsync($"u{i}", i % 20 == 7 ? "bad" : "good");
        await host.StartAsync(s => s.ExactlyOnce().With(o => o with { Concurrency = 2 }).On<UserRegistered>(async (e, context, _) =>
        {
            await WriteAsync(e, context);
            if (e.Data.Name == "bad")
                throw new InvalidOperationException("after its effect");
        }));
        await host.SettledAsync();
        await Eventually.TrueAsync(async () => (await host.DeadLetters.ListAsync()).Count == 10);
        Assert.Equal(190, await CountAsync(host));
        Assert.Equal(190, await host.Database.ScalarAsync<long>("SELECT count(DISTINCT who) FROM effect WHERE what = 'good'"));
        Assert.All(await host.DeadLetters.ListAsync(), l => Assert.Equal(3, l.Attempts));
    }

    [Fact]
    public async Task What_its_key_did_before_a_failing_event_is_done_first_though_both_were_undone_together()
    {
        await using var host = await CreateAsync();
        foreach (var name in (string[])["1", "2", "bad", "4"])
            await host.RegisterAsync("u", name);
        await host.RegisterAsync("other", "good");
        var broken = true;
        await host.StartAsync(s => s.ExactlyOnce().With(o => o with { Concurrency = 1 }).On<UserRegistered>(async (e, context, ct) =>
        {
            if (e.Data.UserId == "u" && e.Data.Name == "1")
                await Task.Delay(200, ct);   // the others gather behind it, and share the next transaction
            await WriteAsync(e, context);
            if (e.Data.Name == "bad" && Volatile.Read(ref broken))
                throw new InvalidOperationException("no");
        }));
        await Eventually.TrueAsync(async () => await host.DeadLetters.ListAsync() is [{ Key: "u", Attempts: 3, Waiting: 1 }]);
        await host.SettledAsync();
        Assert.Equal(["1", "2", "good"], await host.Database.QueryAsync<string>("SELECT what FROM effect ORDER BY what"));

        Volatile.Write(ref broken, false);
        await host.DeadLetters.RedriveAsync(SubscriberHost.Name, "u", "ada");
        await Eventually.TrueAsync(async () => await CountAsync(host) == 5);
        Assert.Equal(["1", "2", "bad", "4"], await host.Database.QueryAsync<string>("SELECT what FROM effect WHERE who = 'u' ORDER BY id"));
    }

    [Fact]
    public async Task An_event_that_comes_again_under_its_id_changes_nothing()
    {
        await using var host = await CreateAsync();
        await host.StartAsync(s => s.ExactlyOnce().On<UserRegistered>((e, context, _) => WriteAsync(e, context)));
        var id = Guid.CreateVersion7().ToString();
        await host.RegisterAsync("u", "1", id);
        await host.SettledAsync();
        await host.JetStream.DeleteStreamAsync("auth-events");   // and with it the consumer, and what it knew
        await host.JetStream.CreateStreamAsync(Streams.AuthEvents);
        await host.RegisterAsync("u", "1", id);
        await host.RegisterAsync("u", "2");
        await Eventually.TrueAsync(async () => await CountAsync(host) == 2);
        await host.SettledAsync();
        Assert.Equal(["1", "2"], await host.Database.QueryAsync<string>("SELECT what FROM effect ORDER BY id"));
    }

    [Fact]
    public async Task An_event_that_comes_twice_at_once_has_its_effect_once()
    {
        await using var host = await CreateAsync();
        foreach (var name in (string[])["1", "1", "2"])
        {
            var headers = new NatsHeaders();
            headers.Add(EventHeaders.EventId, "event-" + name);   // and no message id, by which the stream would drop it
            await host.PublishAsync("auth.user.registered", SubscriberHost.Registered("u", name), headers);
        }
        await host.StartAsync(s => s.ExactlyOnce().With(o => o with { Concurrency = 1 }).On<UserRegistered>((e, context, _) => WriteAsync(e, context)));
        await host.SettledAsync();
        Assert.Equal(["1", "2"], await host.Database.QueryAsync<string>("SELECT what FROM effect ORDER BY id"));
    }

    [Fact]
    public async Task Events_of_two_publishers_that_count_alike_are_two_events()
    {
        await using var host = await CreateAsync();
        foreach (var (source, name) in ((string, string)[])[("/crm", "1"), ("/billing", "2"), ("/crm", "1")])
        {
            var headers = new NatsHeaders();
            headers.Add(EventHeaders.EventId, "1001");
            headers.Add(EventHeaders.Source, source);
            await host.PublishAsync("auth.user.registered", SubscriberHost.Registered("u", name), headers);
        }
        await host.StartAsync(s => s.ExactlyOnce().On<UserRegistered>((e, context, _) => WriteAsync(e, context)));
        await host.SettledAsync();
        Assert.Equal(["1", "2"], await host.Database.QueryAsync<string>("SELECT what FROM effect ORDER BY id"));
        Assert.Equal(["/billing#1001", "/crm#1001"], await host.Database.QueryAsync<string>("SELECT event FROM watchword.handled_event ORDER BY 1"));
    }

    [Fact]
    public async Task An_error_of_the_database_that_a_handler_swallows_does_not_lose_effects_in_silence()
    {
        await using var host = await CreateAsync();
        for (var i = 0; i < 10; i++)
            await host.RegisterAsync($"u{i}", i == 4 ? "bad" : "good");
        await host.StartAsync(s => s.ExactlyOnce().With(o => o with { MaxDeliver = 1, Concurrency = 1 }).On<UserRegistered>(async (e, context, _) =>
        {
            try
            {
                if (e.Data.Name == "bad")
                    await context.Connection.ExecuteAsync("SELECT 1 / 0", transaction: context.Transaction);
                await WriteAsync(e, context);
            }
            catch (Npgsql.PostgresException)
            {
                // As careless handlers do.
            }
        }));
        await host.SettledAsync();
        var letter = Assert.Single(await host.DeadLetters.ListAsync());
        Assert.Equal("u4", letter.Key);
        Assert.Contains("continued after a database error", letter.Reason, StringComparison.Ordinal);
        Assert.Equal(9, await CountAsync(host));
    }

    [Fact]
    public async Task What_only_the_commit_refuses_is_found_too()
    {
        await using var host = await CreateAsync();
        await host.Database.ExecuteAsync("ALTER TABLE effect ADD CONSTRAINT one_each UNIQUE (what) DEFERRABLE INITIALLY DEFERRED");
        for (var i = 0; i < 10; i++)
            await host.RegisterAsync($"u{i}", i is 3 or 8 ? "same" : $"{i}");
        await host.StartAsync(s => s.ExactlyOnce().With(o => o with { MaxDeliver = 1, Concurrency = 1 }).On<UserRegistered>((e, context, _) => WriteAsync(e, context)));
        await host.SettledAsync();
        Assert.Equal("u8", Assert.Single(await host.DeadLetters.ListAsync()).Key);
        Assert.Equal(9, await CountAsync(host));
    }

    [Fact]
    public async Task A_redrive_is_exactly_once_too()
    {
        await using var host = await CreateAsync();
        var broken = true;
        await host.StartAsync(s => s.ExactlyOnce().With(o => o with { MaxDeliver = 1 }).On<UserRegistered>(async (e, context, _) =>
        {
            await WriteAsync(e, context);
            if (Volatile.Read(ref broken))
                throw new InvalidOperationException("after its effect");
        }));
        foreach (var name in (string[])["1", "2", "3"])
            await host.RegisterAsync("u", name);
        await Eventually.TrueAsync(async () => await host.DeadLetters.ListAsync() is [{ Waiting: 2 }]);
        Assert.Equal(0, await CountAsync(host));
        Volatile.Write(ref broken, false);
        await host.DeadLetters.RedriveAsync(SubscriberHost.Name, null, "ada");
        await Eventually.TrueAsync(async () => await CountAsync(host) == 3);
        Assert.Equal(["1", "2", "3"], await host.Database.QueryAsync<string>("SELECT what FROM effect ORDER BY id"));
        Assert.Equal(3, await host.Database.ScalarAsync<long>("SELECT count(*) FROM watchword.handled_event"));
    }

    [Fact]
    public async Task What_was_handled_is_forgotten_after_its_time()
    {
        await using var host = await CreateAsync();
        await host.StartAsync(s => s.ExactlyOnce().On<UserRegistered>((e, context, _) => WriteAsync(e, context)));
        await host.RegisterAsync("u");
        await host.SettledAsync();
        await HandledEvents.PruneAsync(host.Database.Source, SubscriberHost.Name, TimeSpan.FromHours(1), default);
        Assert.Equal(1, await host.Database.ScalarAsync<long>("SELECT count(*) FROM watchword.handled_event"));
        await host.StopAsync();
        await host.Database.ExecuteAsync("UPDATE watchword.handled_event SET handled_at = now() - interval '31 days'");
        await host.StartAsync(s => s.ExactlyOnce().On<UserRegistered>((e, context, _) => WriteAsync(e, context)));
        await Eventually.TrueAsync(async () => await host.Database.ScalarAsync<long>("SELECT count(*) FROM watchword.handled_event") == 0);
    }

    private static Task<long> CountAsync(SubscriberHost host) => host.Database.ScalarAsync<long>("SELECT count(*) FROM effect");

    private static NatsHeaders Headers(string userId)
    {
        var id = Guid.CreateVersion7().ToString();
        var headers = new NatsHeaders();
        headers.Add(EventHeaders.MessageId, id);
        headers.Add(EventHeaders.EventId, id);
        headers.Add(EventHeaders.Key, userId);
        return headers;
    }
}
