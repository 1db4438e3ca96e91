using System.Diagnostics;
using Watchword.Events.Contracts;
using Watchword.Events.Subscribing;

namespace Watchword.Tests.Events.Subscribing;

/// <summary>An event that takes the process down is found, and nobody else is blamed for it.</summary>
public class SuspectTests(PostgresFixture postgres, NatsFixture nats)
{
    private const string UrlVariable = "WATCHWORD_TEST_SUSPECT_NATS";
    private const string DatabaseVariable = "WATCHWORD_TEST_SUSPECT_DATABASE";

    [Fact]
    public async Task Suspects_are_tried_one_at_a_time_and_the_others_beside_them()
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        var open = false;
        var (suspects, all, mostSuspects, most, handled) = (0, 0, 0, 0, 0);
        await StartAsync();
        for (var i = 0; i < 12; i++)
            await host.RegisterAsync($"u{i}", i % 2 == 0 ? "suspect" : "other");
        await Eventually.TrueAsync(async () => (await host.DeadLetters.ListAsync()).Count == 12);
        await host.StopAsync();
        await host.Database.ExecuteAsync("UPDATE watchword.parked_event SET state = 'retrying', attempts = 0, due_at = clock_timestamp(), suspect = convert_from(payload, 'UTF8') LIKE '%suspect%'");

        Volatile.Write(ref open, true);
        await StartAsync();
        await Eventually.TrueAsync(async () => await host.Database.ScalarAsync<long>("SELECT count(*) FROM watchword.parked_event") == 0);
        Assert.Equal((12, 1), (handled, mostSuspects));
        Assert.InRange(most, 2, 12);

        Task StartAsync() => host.StartAsync(s => s.With(o => o with { Concurrency = 8 }).On<UserRegistered>(async (e, _, ct) =>
        {
            if (!Volatile.Read(ref open))
                throw new InvalidOperationException("not yet");
            Count(e, 1);
            await Task.Delay(100, ct);
            Count(e, -1);
            Interlocked.Increment(ref handled);
        }));

        void Count(UserRegistered e, int by)
        {
            lock (host)
            {
                suspects += e.Data.Name == "suspect" ? by : 0;
                all += by;
                (mostSuspects, most) = (Math.Max(mostSuspects, suspects), Math.Max(most, all));
            }
        }
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
            using var process = StartProcess(host);
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
        var letter = (await KillerAsync())!;
        Assert.Equal((3, 3L), (letter.Attempts, letter.Waiting));
        Assert.EndsWith("the process ended while it was handled", letter.Reason, StringComparison.Ordinal);
        await host.SettledAsync();

        async Task<DeadLetter?> KillerAsync() => (await host.DeadLetters.ListAsync(key: "u20")).SingleOrDefault();

        Task<long> OtherQueuesAsync() => host.Database.ScalarAsync<long>("SELECT count(*) FROM watchword.parked_event WHERE state = 'retrying'");
    }

    /// <summary>Not a test: the subscriber of the test above, in a process of its own, which one event kills.</summary>
    [Fact(Explicit = true)]
    public async Task Handle_until_an_event_kills()
    {
        var url = Environment.GetEnvironmentVariable(UrlVariable);
        Assert.SkipWhen(url is null, "run by the other test");
        var builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(null);
        Watchword.Events.SubscriberServices.AddWatchwordSubscriber(builder.Services, SubscriberHost.Name, s => s
            .Connect(url).ParkIn(Environment.GetEnvironmentVariable(DatabaseVariable)!).With(o => o with { AckWait = TimeSpan.FromSeconds(1) }).ExactlyOnce()
            .On<UserRegistered>(async (e, _, ct) =>
            {
                await Task.Delay(50, ct);
                if (e.Data.Name == "killer")
                    Process.GetCurrentProcess().Kill();
            }));
        using var host = builder.Build();
        await host.StartAsync(TestContext.Current.CancellationToken);
        await Task.Delay(Timeout.Infinite, TestContext.Current.CancellationToken);
    }

    private static Process StartProcess(SubscriberHost host) => Process.Start(new ProcessStartInfo(
        Path.Combine(AppContext.BaseDirectory, "Watchword.Tests"),
        ["-method", $"{typeof(SuspectTests).FullName}.{nameof(Handle_until_an_event_kills)}", "-explicit", "only"])
    {
        UseShellExecute = false,
        RedirectStandardOutput = true,
        Environment = { [PostgresFixture.HelperVariable] = "1", [UrlVariable] = host.Account.Url, [DatabaseVariable] = host.Database.ConnectionString },
    })!;
}
