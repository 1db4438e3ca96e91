using System.Collections.Concurrent;
using Microsoft.Extensions.DependencyInjection;
using Watchword.Events;
using Watchword.Events.Contracts;
using Watchword.Events.Subscribing;

namespace Watchword.Tests.Events.Subscribing;

/// <summary>An event that takes the process down is found, and nobody else is blamed for it.</summary>
public class SuspectTests(PostgresFixture postgres, NatsFixture nats)
{
    [Theory]
    [InlineData("suspect = true")]
    [InlineData("began_by = gen_random_uuid(), attempts = 1")]   // as they are when the process ends in their handlers, beside others
    public async Task Suspects_are_tried_alone(string suspect)
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        var open = false;
        var (suspects, all, besideSuspect, most, handled) = (0, 0, 0, 0, 0);
        await StartAsync();
        for (var i = 0; i < 12; i++)
            await host.RegisterAsync($"u{i}", i % 2 == 0 ? "suspect" : "parked");
        await Eventually.TrueAsync(async () => (await host.DeadLetters.ListAsync()).Count == 12);
        await host.StopAsync();
        await host.Database.ExecuteAsync("UPDATE watchword.parked_event SET state = 'retrying', attempts = 0, due_at = clock_timestamp()");
        await host.Database.ExecuteAsync($"UPDATE watchword.parked_event SET {suspect} WHERE convert_from(payload, 'UTF8') LIKE '%suspect%'");

        Volatile.Write(ref open, true);
        for (var i = 0; i < 40; i++)
            await host.RegisterAsync($"v{i}", "live");
        // Another subscriber of the host, in whose hands the same process is.
        await StartAsync(services => services.AddWatchwordSubscriber("other", s => s.Connect(host.Account.Url).ParkIn(host.Database.Source).On<UserRegistered>(async (_, _, ct) =>
        {
            Count(false, 1);
            await Task.Delay(50, ct);
            Count(false, -1);
        })));
        await Eventually.TrueAsync(async () => await host.Database.ScalarAsync<long>("SELECT count(*) FROM watchword.parked_event") == 0);
        await host.SettledAsync();
        await host.SettledAsync(name: "other");
        Assert.Equal((52, 0), (handled, besideSuspect));
        Assert.InRange(most, 2, 24);

        Task StartAsync(Action<IServiceCollection>? services = null) => host.StartAsync(s => s.With(o => o with { Concurrency = 8 }).On<UserRegistered>(async (e, _, ct) =>
        {
            if (!Volatile.Read(ref open))
                throw new InvalidOperationException("not yet");
            Count(e.Data.Name == "suspect", 1);
            await Task.Delay(50, ct);
            Count(e.Data.Name == "suspect", -1);
            Interlocked.Increment(ref handled);
        }), services: services);

        void Count(bool isSuspect, int by)
        {
            lock (host)
            {
                suspects += isSuspect ? by : 0;
                all += by;
                most = Math.Max(most, all);
                if (suspects > 0)
                    besideSuspect = Math.Max(besideSuspect, all - 1);
            }
        }
    }

    [Fact]
    public async Task Nobody_waits_at_a_start_where_no_process_died()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        await host.StartAsync(s => s.On<UserRegistered>(_ => throw new InvalidOperationException("no")));
        await host.RegisterAsync("dead");
        await Eventually.TrueAsync(async () => (await host.DeadLetters.ListAsync()).Count == 1);
        await host.StopAsync();

        var (begun, go) = (new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously), new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        var handled = 0;
        await host.StartAsync(s => s.With(o => o with { Concurrency = 8 }).On<UserRegistered>(async (e, _, ct) =>
        {
            if (e.Data.UserId == "slow")
            {
                begun.SetResult();
                await go.Task.WaitAsync(ct);
            }
            Interlocked.Increment(ref handled);
        }));
        await host.RegisterAsync("slow");
        await begun.Task;
        // Of other lanes; the second half comes when the parked events have been looked at.
        for (var i = 0; i < 100; i++)
        {
            await host.RegisterAsync($"u{i}");
            await Task.Delay(10);
        }
        await Eventually.TrueAsync(() => Volatile.Read(ref handled) >= 60);   // the rest waits in the lane of the slow one
        go.SetResult();
        await Eventually.TrueAsync(() => Volatile.Read(ref handled) == 101);
    }

    [Fact]
    public async Task A_death_of_the_process_counts_against_an_event_that_was_alone_and_no_other()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        await host.StartAsync(s => s.On<UserRegistered>(_ => throw new InvalidOperationException("no")));
        foreach (var name in (string[])["beside", "alone", "alone-at-last"])
            await host.RegisterAsync(name);
        await Eventually.TrueAsync(async () => (await host.DeadLetters.ListAsync()).Count == 3);
        await host.StopAsync();
        // As they are when the process ends in their handlers.
        await host.Database.ExecuteAsync("""
            UPDATE watchword.parked_event SET state = 'retrying', began_by = gen_random_uuid(), due_at = now(), attempts = CASE key WHEN 'alone' THEN 2 ELSE 3 END,
              suspect = key <> 'beside', reason = CASE key WHEN 'beside' THEN reason END
            """);

        ConcurrentBag<(string, int)> handled = [];
        await host.StartAsync(s => s.On<UserRegistered>((e, context, _) =>
        {
            handled.Add((e.Data.UserId, context.Attempt));
            return Task.CompletedTask;
        }));
        await Eventually.TrueAsync(async () => (await host.DeadLetters.ListAsync()).Count == 1 && handled.Count == 2);
        Assert.Equal([("alone", 3), ("beside", 3)], handled.Order());
        var letter = (await host.DeadLetters.ListAsync())[0];
        Assert.Equal(("alone-at-last", 3, "the process ended while it was handled"), (letter.Key, letter.Attempts, letter.Reason));
    }

    [Fact]
    public async Task Fewer_attempts_than_were_made_already_are_told_by_what_failed_last()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        var calls = 0;
        await host.StartAsync(s => s.With(o => o with { MaxDeliver = 9, Backoff = TimeSpan.FromSeconds(1) })
            .On<UserRegistered>(_ => Interlocked.Increment(ref calls) > 0 ? throw new InvalidOperationException("no") : Task.CompletedTask));
        await host.RegisterAsync("ada");
        await Eventually.TrueAsync(() => Volatile.Read(ref calls) == 2);
        await Eventually.TrueAsync(async () => await host.Database.ScalarAsync<long>("SELECT count(*) FROM watchword.parked_event WHERE attempts = 2 AND began_by IS NULL") == 1);
        await host.StopAsync();

        await host.StartAsync(s => s.With(o => o with { MaxDeliver = 2 }).On<UserRegistered>(_ => Task.CompletedTask));
        await Eventually.TrueAsync(async () => (await host.DeadLetters.ListAsync()).Count == 1);
        Assert.Equal("InvalidOperationException: no", (await host.DeadLetters.ListAsync())[0].Reason);
    }

    [Fact]
    public async Task An_event_that_kills_its_process_becomes_a_dead_letter_and_the_others_flow()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        for (var i = 0; i < 200; i++)
            await host.RegisterAsync($"u{i % 50}", i == 20 ? "killer" : "slow");
        // Nine deliveries until it is a suspect, and three attempts.
        for (var run = 0; run < 30; run++)
        {
            using var process = await TestHostProcess.StartAsync("killed", host);
            try
            {
                await Eventually.TrueAsync(async () => process.HasExited || await KillerAsync() is not null, TimeSpan.FromSeconds(60));
                if (process.HasExited)
                    continue;
                await Eventually.TrueAsync(async () => process.HasExited || await OtherQueuesAsync() == 0, TimeSpan.FromSeconds(60));
                break;
            }
            finally
            {
                process.Kill();
                await process.WaitForExitAsync();
            }
        }
        var letter = Assert.Single(await host.DeadLetters.ListAsync());
        Assert.Equal(("u20", 3, 3L), (letter.Key, letter.Attempts, letter.Waiting));
        Assert.EndsWith("the process ended while it was handled", letter.Reason, StringComparison.Ordinal);
        await host.SettledAsync();

        async Task<DeadLetter?> KillerAsync() => (await host.DeadLetters.ListAsync(key: "u20")).SingleOrDefault();

        Task<long> OtherQueuesAsync() => host.Database.ScalarAsync<long>("SELECT count(*) FROM watchword.parked_event WHERE state = 'retrying'");
    }
}
