using System.Collections.Concurrent;
using NATS.Client.JetStream.Models;
using Watchword.Events.Contracts;
using Watchword.Events.Subscribing;

namespace Watchword.Tests.Events.Subscribing;

/// <summary>Durable subscribers: each key in order, keys side by side, nothing lost, whoever comes and goes.</summary>
public class SubscriberTests(PostgresFixture postgres, NatsFixture nats)
{
    [Fact]
    public async Task Keys_are_handled_side_by_side_and_each_in_its_order()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        var handled = new ConcurrentQueue<(string User, int Number)>();
        var (together, most) = (0, 0);
        await host.StartAsync(s => s.On<UserRegistered>(async (e, _, ct) =>
        {
            var now = Interlocked.Increment(ref together);
            InterlockedMax(ref most, now);
            await Task.Delay(1, ct);
            Interlocked.Decrement(ref together);
            handled.Enqueue((e.Data.UserId, int.Parse(e.Data.Name, System.Globalization.CultureInfo.InvariantCulture)));
        }));
        for (var i = 0; i < 400; i++)
            await host.RegisterAsync($"u{i % 20}", $"{i}");
        await host.SettledAsync();
        Assert.Equal(400, handled.Count);
        Assert.All(handled.GroupBy(h => h.User), g => Assert.Equal(g.Select(h => h.Number).Order(), g.Select(h => h.Number)));
        Assert.InRange(most, 2, 8);
    }

    [Fact]
    public async Task It_waits_for_a_stream_that_is_not_there_yet_and_finds_it_again_when_it_was_wiped()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync(), streams: false);
        var handled = new ConcurrentQueue<string>();
        await host.StartAsync(s => s.On<UserRegistered>(e =>
        {
            handled.Enqueue(e.Data.UserId);
            return Task.CompletedTask;
        }));
        await host.Logs.LineAsync(2202);
        await host.JetStream.CreateStreamAsync(Streams.AuthEvents);
        await host.RegisterAsync("a");
        await Eventually.TrueAsync(() => handled.Count == 1);
        await host.JetStream.DeleteStreamAsync("auth-events");
        await host.JetStream.CreateStreamAsync(Streams.AuthEvents);
        await host.RegisterAsync("b");
        await Eventually.TrueAsync(() => handled.Count == 2);
        Assert.Equal(["a", "b"], handled);
    }

    [Fact]
    public async Task It_goes_on_where_it_stopped_and_a_stop_waits_for_the_handler_at_work()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        var handled = new ConcurrentQueue<string>();
        var (begun, go) = (new TaskCompletionSource(), new TaskCompletionSource());
        void Configure(SubscriberBuilder s) => s.With(o => o with { Concurrency = 1, AckWait = TimeSpan.FromMinutes(1) }).On<UserRegistered>(async (e, _, ct) =>
        {
            begun.TrySetResult();
            await go.Task.WaitAsync(ct);
            handled.Enqueue(e.Data.UserId);
        });
        await host.StartAsync(Configure);
        foreach (var user in (string[])["a", "b", "c"])
            await host.RegisterAsync(user);
        await begun.Task;
        await Eventually.TrueAsync(async () => (await host.JetStream.FindConsumerAsync("auth-events", SubscriberHost.Name))!.NumAckPending == 3);
        var stopping = host.StopAsync();
        Assert.False(stopping.IsCompleted);
        go.SetResult();
        await stopping;
        Assert.Equal(["a"], handled);   // what had not begun is left to the next process, at once
        await host.StartAsync(Configure);
        await host.SettledAsync();
        Assert.Equal(["a", "b", "c"], handled);
    }

    [Fact]
    public async Task No_more_is_under_way_than_allowed_and_changed_options_reach_the_durable_which_keeps_its_place()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        var handled = new ConcurrentQueue<string>();
        var go = new TaskCompletionSource();
        await host.JetStream.CreateConsumerAsync("auth-events", new SubscriberOptions().Consumer(SubscriberHost.Name, "auth.user.registered"));
        await host.StartAsync(s => s.With(o => o with { MaxInFlight = 5 }).On<UserRegistered>(async (e, _, ct) =>
        {
            await go.Task.WaitAsync(ct);
            handled.Enqueue(e.Data.UserId);
        }));
        for (var i = 0; i < 20; i++)
            await host.RegisterAsync($"u{i:00}");
        await Eventually.TrueAsync(async () => await ConsumerAsync() is { NumAckPending: 5, NumPending: 15 });
        go.SetResult();
        await host.SettledAsync();
        await host.StopAsync();

        await host.StartAsync(s => s.With(o => o with { MaxInFlight = 7, AckWait = TimeSpan.FromSeconds(9) })
            .On<UserRegistered>(e => Task.Run(() => handled.Enqueue(e.Data.UserId))).On<UserLoggedIn>(e => Task.Run(() => handled.Enqueue(e.Data.UserId))));
        await host.RegisterAsync("u20");
        await Eventually.TrueAsync(() => handled.Count == 21);
        var config = (await ConsumerAsync()).Config;
        // Not "auth.user.>": with that in place of its old filter, nats-server 2.9 would deliver nothing any more.
        Assert.Equal((7, TimeSpan.FromSeconds(9), null), (config.MaxAckPending, config.AckWait, config.FilterSubject));
        Assert.Equal(Enumerable.Range(0, 21).Select(i => $"u{i:00}"), handled.Order(StringComparer.Ordinal));

        async Task<ConsumerInfo> ConsumerAsync() => (await host.JetStream.FindConsumerAsync("auth-events", SubscriberHost.Name))!;
    }

    [Fact]
    public async Task A_handler_that_takes_longer_than_the_ack_wait_is_not_disturbed()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        var calls = 0;
        var redelivered = -1L;
        await host.JetStream.CreateConsumerAsync("auth-events", new() { DurableName = "control", AckWait = TimeSpan.FromSeconds(1), AckPolicy = ConsumerConfigAckPolicy.Explicit });
        await host.StartAsync(s => s.With(o => o with { AckWait = TimeSpan.FromSeconds(1) }).On<UserRegistered>(async (_, _, ct) =>
        {
            Interlocked.Increment(ref calls);
            // Until the server has delivered it twice more to a consumer that gives no sign of life.
            await Eventually.TrueAsync(async () => await host.JetStream.FetchAsync("auth-events", "control", 1) is [{ Metadata.NumDelivered: >= 3 }]);
            redelivered = (await host.JetStream.FindConsumerAsync("auth-events", SubscriberHost.Name, ct))!.NumRedelivered;   // forgotten after the ack
        }));
        await host.RegisterAsync("u");
        await host.SettledAsync();
        Assert.Equal((1, 0L), (calls, redelivered));
    }

    [Fact]
    public async Task A_process_that_lost_its_lease_stops_and_begins_anew()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        var handled = new ConcurrentQueue<string>();
        await host.StartAsync(s => s.On<UserRegistered>(e => Task.Run(() => handled.Enqueue(e.Data.UserId))));
        await host.RegisterAsync("a");
        await host.SettledAsync();

        Assert.Equal(1, await host.Database.ScalarAsync<long>("""
            SELECT count(pg_terminate_backend(pid)) FROM pg_locks
            WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
            """));
        await host.Logs.LineAsync(2001);
        await host.RegisterAsync("b");
        await Eventually.TrueAsync(() => handled.Count == 2);
        Assert.Equal(["a", "b"], handled);
        Assert.Equal(2, host.Logs.Of(2200).Count);
    }

    [Fact]
    public async Task A_handler_that_never_ends_fails_after_its_time()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        await host.StartAsync(s => s.With(o => o with { MaxDeliver = 1, HandlerTimeout = TimeSpan.FromMilliseconds(100) })
            .On<UserRegistered>((_, _, _) => new TaskCompletionSource().Task));
        await host.RegisterAsync("u");
        await Eventually.TrueAsync(async () => await host.DeadLetters.ListAsync() is [{ Key: "u" }]);
        Assert.Contains("took longer than", (await host.DeadLetters.ListAsync())[0].Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task After_a_crash_what_was_under_way_comes_before_what_is_new()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        await host.StartAsync(s => s.On<UserRegistered>(_ => Task.CompletedTask));
        await host.Logs.LineAsync(2200);
        await host.StopAsync();
        for (var i = 0; i < 20; i++)
            await host.RegisterAsync("u", $"{i}");
        // A process that died with ten events in hand.
        Assert.Equal(10, (await host.JetStream.FetchAsync("auth-events", SubscriberHost.Name, 10, TimeSpan.FromSeconds(5))).Count);
        var handled = new ConcurrentQueue<string>();
        await host.StartAsync(s => s.With(o => o with { AckWait = TimeSpan.FromMinutes(5) }).On<UserRegistered>(e =>
        {
            handled.Enqueue(e.Data.Name);
            return Task.CompletedTask;
        }));
        await host.SettledAsync();
        Assert.Equal(Enumerable.Range(0, 20).Select(i => $"{i}"), handled);
        // It was short for that moment only.
        await Eventually.TrueAsync(async () => (await host.JetStream.FindConsumerAsync("auth-events", SubscriberHost.Name))!.Config.AckWait == TimeSpan.FromMinutes(5));
    }

    [Fact]
    public async Task After_a_crash_the_first_of_many_of_a_key_may_be_refused_at_once_and_the_rest_waits_in_order()
    {
        const int Many = 1_900;   // so that the lanes are at work while they are still given more
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        await host.StartAsync(s => s.On<UserRegistered>(_ => throw new EventRefusedException("to warm up")));
        await host.RegisterAsync("other");
        await Eventually.TrueAsync(async () => await host.DeadLetters.ListAsync() is [_]);
        await host.DeadLetters.DiscardAsync((await host.DeadLetters.ListAsync())[0].Id, "a test", "ada");
        await host.StopAsync();
        for (var i = 0; i < Many; i++)
            await host.RegisterAsync("u", $"{i}");
        Assert.Equal(Many, (await host.JetStream.FetchAsync("auth-events", SubscriberHost.Name, Many, TimeSpan.FromSeconds(5))).Count);   // by a process that died
        var handled = new ConcurrentQueue<string>();
        await host.StartAsync(s => s.On<UserRegistered>(e =>
        {
            if (e.Data.Name == "0")
                throw new EventRefusedException("no");
            handled.Enqueue(e.Data.Name);
            return Task.CompletedTask;
        }));
        await Eventually.TrueAsync(async () => await host.DeadLetters.ListAsync() is [{ Waiting: Many - 1 }]);
        await host.DeadLetters.DiscardAsync((await host.DeadLetters.ListAsync())[0].Id, "a test", "ada");
        await Eventually.TrueAsync(() => Task.FromResult(handled.Count == Many - 1), TimeSpan.FromSeconds(90));   // one after the other, on a busy disk
        Assert.Equal(Enumerable.Range(1, Many - 1).Select(i => $"{i}"), handled);
    }

    [Fact]
    public async Task After_a_broken_connection_nothing_is_lost_and_each_key_keeps_its_order()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        await using var proxy = new TcpProxy(host.Account.Port);
        var handled = new ConcurrentQueue<(string User, int Number)>();
        await host.StartAsync(s => s.On<UserRegistered>(async (e, _, ct) =>
        {
            await Task.Delay(1, ct);
            handled.Enqueue((e.Data.UserId, int.Parse(e.Data.Name, System.Globalization.CultureInfo.InvariantCulture)));
        }), url: $"nats://{host.Account.User}:{host.Account.Password}@127.0.0.1:{proxy.Port}");
        for (var i = 0; i < 1000; i++)
        {
            await host.RegisterAsync($"u{i % 10}", $"{i}");
            if (i % 200 == 100)
                proxy.Break();
        }
        await host.SettledAsync();
        Assert.All(handled.GroupBy(h => h.User), g =>
        {
            // What was handled and whose ack was lost may come again at most; the first time of each is in order.
            var firsts = g.Select(h => h.Number).Distinct().ToList();
            Assert.Equal(100, firsts.Count);
            Assert.Equal(firsts.Order(), firsts);
        });
    }

    [Fact]
    public async Task What_a_dying_connection_swallowed_comes_before_what_is_new()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        await using var proxy = new TcpProxy(host.Account.Port);
        var handled = new ConcurrentQueue<string>();
        await host.StartAsync(s => s.With(o => o with { AckWait = TimeSpan.FromSeconds(20) }).On<UserRegistered>(e => Task.Run(() => handled.Enqueue(e.Data.Name))),
            url: $"nats://{host.Account.User}:{host.Account.Password}@127.0.0.1:{proxy.Port}");
        await host.RegisterAsync("u", "0");
        await host.SettledAsync();

        proxy.Stall();
        for (var i = 1; i <= 5; i++)
            await host.RegisterAsync("u", $"{i}");
        await Eventually.TrueAsync(async () => (await host.JetStream.FindConsumerAsync("auth-events", SubscriberHost.Name))!.NumAckPending == 5);
        proxy.Break();
        for (var i = 6; i <= 8; i++)
            await host.RegisterAsync("u", $"{i}");

        await host.SettledAsync();
        Assert.Equal(Enumerable.Range(0, 9).Select(i => $"{i}"), handled);
    }

    [Fact]
    public async Task Of_two_processes_one_works_and_the_other_takes_over()
    {
        await using var database = await postgres.EmptyAsync();
        await using var first = await SubscriberHost.CreateAsync(nats, database, ownsDatabase: false);
        var (one, two) = (new ConcurrentQueue<string>(), new ConcurrentQueue<string>());
        await first.StartAsync(s => s.On<UserRegistered>(e => Task.Run(() => one.Enqueue(e.Data.UserId))));
        await first.RegisterAsync("a");
        await first.SettledAsync();

        await using var second = await SubscriberHost.CreateAsync(nats, database, ownsDatabase: false, streams: false);
        await second.StartAsync(s => s.On<UserRegistered>(e => Task.Run(() => two.Enqueue(e.Data.UserId))), url: first.Account.Url);
        await second.Logs.LineAsync(2201);
        await first.RegisterAsync("b");
        await first.SettledAsync();
        await first.StopAsync();
        await first.RegisterAsync("c");
        await Eventually.TrueAsync(() => two.Count == 1);
        Assert.Equal(["a", "b"], one);
        Assert.Equal(["c"], two);
    }

    [Fact]
    public async Task A_process_that_lost_its_lease_sets_nothing_aside()
    {
        await using var database = await postgres.EmptyAsync();
        await using var first = await SubscriberHost.CreateAsync(nats, database, ownsDatabase: false);
        var begun = new TaskCompletionSource();
        var go = new TaskCompletionSource();
        await first.StartAsync(s => s.On<UserRegistered>(async _ =>
        {
            begun.TrySetResult();
            await go.Task;
            throw new InvalidOperationException("no");
        }));
        await first.RegisterAsync("u", "1");
        await begun.Task;
        await first.RegisterAsync("u", "2");
        await using var second = await SubscriberHost.CreateAsync(nats, database, ownsDatabase: false, streams: false);
        var handled = new ConcurrentQueue<string>();
        await second.StartAsync(s => s.On<UserRegistered>(e => Task.Run(() => handled.Enqueue(e.Data.Name))), url: first.Account.Url);
        await second.Logs.LineAsync(2201);

        // The first may be quick enough to get its lease back.
        var working = second.Logs.LineAsync(2200);
        while (!working.IsCompleted)
        {
            await database.ExecuteAsync("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND database = (SELECT oid FROM pg_database WHERE datname = current_database())");
            await Task.WhenAny(working, Task.Delay(TimeSpan.FromSeconds(8), TestContext.Current.CancellationToken));
        }
        await working;
        go.SetResult();   // the first does not know yet, and its handler fails

        await Eventually.TrueAsync(() => handled.Count == 2);
        Assert.Equal(["1", "2"], handled);
        Assert.Equal(0, await database.ScalarAsync<long>("SELECT count(*) FROM watchword.parked_event"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_handler_that_failed_leaves_no_limit_behind_for_the_next(bool fanOut)
    {
        var limit = TimeSpan.FromMilliseconds(300);
        await using var host = await SubscriberHost.CreateAsync(nats, fanOut ? null : await postgres.EmptyAsync());
        var handled = new ConcurrentQueue<string>();
        await host.StartAsync(s =>
        {
            if (fanOut)
                s.FanOut();
            s.With(o => o with { HandlerTimeout = limit, MaxDeliver = 1, Concurrency = 1 }).On<UserRegistered>(async (e, _, ct) =>
            {
                await Task.Delay(1, ct);
                if (e.Data.UserId == "bad")
                    throw new InvalidOperationException("no");
                handled.Enqueue(e.Data.UserId);
            });
        });
        await host.Logs.LineAsync(2200);
        await host.RegisterAsync("bad");
        await host.Logs.LineAsync(fanOut ? 2209 : 2203);
        await Task.Delay(limit * 1.2);   // what must not happen then is announced by nothing
        await host.RegisterAsync("good");
        await Eventually.TrueAsync(() => handled.Count == 1);
        Assert.Single(host.Logs.Of(fanOut ? 2209 : 2203));
    }

    [Fact]
    public async Task What_it_caused_itself_it_can_pass_over()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        var handled = new ConcurrentQueue<string>();
        await host.StartAsync(s => s.With(o => o with { SkipOrigin = "crm" }).On<UserRegistered>((e, context, _) =>
        {
            handled.Enqueue($"{e.Data.UserId} {context.Origin}");
            return Task.CompletedTask;
        }));
        await host.RegisterAsync("a", origin: "crm");
        await host.RegisterAsync("b", origin: "shop");
        await host.RegisterAsync("c");
        await host.SettledAsync();
        Assert.Equal(["b shop", "c "], handled.Order(StringComparer.Ordinal));
    }

    [Fact]
    public async Task A_fan_out_subscriber_gets_everything_from_now_on_in_every_process()
    {
        await using var host = await SubscriberHost.CreateAsync(nats);
        await host.RegisterAsync("before");
        var (one, two) = (new ConcurrentQueue<string>(), new ConcurrentQueue<string>());
        await using var other = await SubscriberHost.CreateAsync(nats, streams: false);
        await host.StartAsync(s => s.FanOut().On<UserRegistered>(e => Task.Run(() => one.Enqueue(e.Data.UserId))));
        await other.StartAsync(s => s.FanOut().On<UserRegistered>(e =>
        {
            two.Enqueue(e.Data.UserId);
            throw new InvalidOperationException("told of, and passed over");
        }), url: host.Account.Url);
        await host.Logs.LineAsync(2200);
        await other.Logs.LineAsync(2200);
        await host.RegisterAsync("a");
        await host.RegisterAsync("b");
        await Eventually.TrueAsync(() => one.Count == 2 && two.Count == 2);
        Assert.Equal(["a", "b"], one);
        Assert.Equal(["a", "b"], two);
        Assert.Equal(2, other.Logs.Of(2209).Count);
    }

    [Fact]
    public void What_is_wrong_with_a_subscriber_is_said_all_at_once_and_at_the_start()
    {
        var services = new Microsoft.Extensions.DependencyInjection.ServiceCollection();
        var fault = Assert.Throws<ArgumentException>(() => Watchword.Events.SubscriberServices.AddWatchwordSubscriber(services, "no good", s => s
            .ExactlyOnce().With(o => o with { MaxDeliver = 0, Concurrency = 5000 }))).Message;
        foreach (var part in (string[])["'no good'", ".On<UserRegistered>", "ParkIn", "MaxDeliver is 0", "Concurrency is 5000"])
            Assert.Contains(part, fault, StringComparison.Ordinal);
        Assert.Empty(services);
    }

    [Fact]
    public void Two_of_one_name_and_a_session_that_is_no_session_are_refused()
    {
        var services = new Microsoft.Extensions.DependencyInjection.ServiceCollection();
        Add("one", "Host=localhost");
        Add("two", "Host=localhost");
        Assert.Contains("one is registered already", Assert.Throws<ArgumentException>(() => Add("one", "Host=localhost")).Message, StringComparison.Ordinal);
        Assert.Contains("Multiplexing", Assert.Throws<ArgumentException>(() => Add("three", "Host=localhost;Multiplexing=true")).Message, StringComparison.Ordinal);

        void Add(string name, string database) => Watchword.Events.SubscriberServices.AddWatchwordSubscriber(services, name, s => s
            .ParkIn(database).On<UserRegistered>(_ => Task.CompletedTask));
    }

    [Fact]
    public async Task Once_migrated_it_needs_no_right_to_create()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        await host.StartAsync(s => s.On<UserRegistered>(_ => Task.CompletedTask));
        await host.Logs.LineAsync(2200);
        await host.StopAsync();
        var role = "service_" + Guid.NewGuid().ToString("N");
        await host.Database.ExecuteAsync($"""
            CREATE ROLE {role};
            GRANT USAGE ON SCHEMA watchword TO {role};
            GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA watchword TO {role};
            REVOKE INSERT, UPDATE, DELETE ON watchword.migration FROM {role}
            """);
        await using var database = Npgsql.NpgsqlDataSource.Create(new Npgsql.NpgsqlConnectionStringBuilder(host.Database.ConnectionString) { Options = $"-c role={role}" });
        var broken = true;
        await host.StartAsync(s => s.ParkIn(database).ExactlyOnce().With(o => o with { MaxDeliver = 1, HandlerTimeout = TimeSpan.FromMilliseconds(200) }).On<UserRegistered>(async (e, context, _) =>
        {
            await using var who = new Npgsql.NpgsqlCommand("SELECT current_user", context.Connection);
            Assert.Equal(role, await who.ExecuteScalarAsync(CancellationToken.None));
            if (Volatile.Read(ref broken))
                await Task.Delay(Timeout.Infinite, CancellationToken.None);   // given up: its session is ended, which takes a right too
        }));
        await host.RegisterAsync("u", "1");
        await host.RegisterAsync("u", "2");
        await Eventually.TrueAsync(async () => await host.DeadLetters.ListAsync() is [{ Waiting: 1 }]);
        Volatile.Write(ref broken, false);
        await new DeadLetters(database).RedriveAsync(SubscriberHost.Name, "u", "ada");
        await Eventually.TrueAsync(async () => await host.Database.ScalarAsync<long>("SELECT count(*) FROM watchword.handled_event") == 2);
        await host.StopAsync();
        await database.DisposeAsync();
        await host.Database.ExecuteAsync($"DROP OWNED BY {role}; DROP ROLE {role}");
    }

    [Fact]
    public async Task A_stream_that_is_not_there_holds_up_neither_another_nor_a_redrive()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        var (handled, broken) = (new ConcurrentQueue<string>(), true);
        await host.StartAsync(s => s.With(o => o with { MaxDeliver = 1 })
            .On<SecurityAlert>((_, context, _) =>
            {
                handled.Enqueue(context.Subject);
                return Task.CompletedTask;
            })
            .On<UserRegistered>((_, context, _) =>
            {
                if (Volatile.Read(ref broken))
                    throw new InvalidOperationException("no");
                handled.Enqueue(context.Subject);
                return Task.CompletedTask;
            }));
        await host.RegisterAsync("u");
        await Eventually.TrueAsync(async () => await host.DeadLetters.ListAsync() is [_]);
        Volatile.Write(ref broken, false);
        await host.DeadLetters.RedriveAsync(SubscriberHost.Name, "u", "ada");
        await Eventually.TrueAsync(() => handled.Count == 1);
        Assert.Single(host.Logs.Of(2202));

        await host.JetStream.CreateStreamAsync(Streams.SecurityAlerts);
        await host.PublishAsync("security.alert", """
            {"subject":"security.alert","data":{"kind":"new_device","userId":"u","timestamp":"2026-01-01T00:00:00.000Z","detail":"d"},
             "metadata":{"service":"security","version":"0.1.0","environment":"test","eventId":"a","correlationId":"c","schemaVersion":1} }
            """);
        await Eventually.TrueAsync(() => handled.Count == 2);
        Assert.Equal(["auth.user.registered", "security.alert"], handled);
    }

    private static void InterlockedMax(ref int target, int value)
    {
        for (var seen = Volatile.Read(ref target); value > seen && Interlocked.CompareExchange(ref target, value, seen) != seen;)
            seen = Volatile.Read(ref target);
    }
}
