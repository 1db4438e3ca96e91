using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Watchword.Events;
using Watchword.Events.Contracts;

namespace Watchword.Tests.Events.Subscribing;

/// <summary>A process whose lease is lost, with its session, and that does not know it yet.</summary>
public class LostLeaseTests(PostgresFixture postgres, NatsFixture nats)
{
    private sealed record Handled(string Key, int Number, string By, long Begun, long Ended);

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Two_processes_never_work_at_one_key_and_its_order_holds(bool exactlyOnce)
    {
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        var handled = new ConcurrentQueue<Handled>();
        var random = TestRandom.Create();
        using var logs = new LogCapture();
        using var one = Build("one");
        using var other = Build("other");
        await one.StartAsync();
        await logs.LineAsync(2200);
        await other.StartAsync();
        await logs.LineAsync(2201);

        using var enough = new CancellationTokenSource();
        var publishing = Task.Run(async () =>
        {
            for (var i = 0; !enough.IsCancellationRequested; i++)
            {
                await host.RegisterAsync($"u{i % 40}", i.ToString(CultureInfo.InvariantCulture));
                await Task.Delay(5, CancellationToken.None);
            }
        });
        for (var round = 1; round <= 3; round++)
        {
            var before = handled.Count;
            await Eventually.TrueAsync(() => handled.Count > before + 100);
            await host.Database.ExecuteAsync("SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())");
            await Eventually.TrueAsync(() => Task.FromResult(logs.Of(2200).Count > round), TimeSpan.FromSeconds(60));
        }
        await enough.CancelAsync();
        await publishing;
        await Eventually.TrueAsync(async () => await host.JetStream.FindConsumerAsync("auth-events", SubscriberHost.Name) is { NumPending: 0, NumAckPending: 0 }, TimeSpan.FromSeconds(90));
        await one.StopAsync();
        await other.StopAsync();

        Assert.All(handled.GroupBy(h => h.Key), key =>
        {
            var begun = key.OrderBy(h => h.Begun).ToList();
            Assert.DoesNotContain(begun.Zip(begun.Skip(1)), pair => pair.First.By != pair.Second.By && pair.Second.Begun < pair.First.Ended);
            var first = key.OrderBy(h => h.Ended).DistinctBy(h => h.Number).Select(h => h.Number).ToList();
            Assert.Equal(first.Order(), first);
        });

        IHost Build(string name)
        {
            var builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(null);
            builder.Services.AddLogging().AddSingleton<ILoggerFactory>(logs);
            builder.Services.AddWatchwordSubscriber(SubscriberHost.Name, s => (exactlyOnce ? s.ExactlyOnce() : s)
                .Connect(host.Account.Url).ParkIn(host.Database.Source).With(o => o with { Concurrency = 8, BatchSize = 4 }).On<UserRegistered>(async (e, _, ct) =>
                {
                    var begun = Stopwatch.GetTimestamp();
                    int pause;
                    lock (random)
                        pause = random.Next(1, 20) + (random.Next(10) == 0 ? 250 : 0);
                    await Task.Delay(pause, ct);
                    handled.Enqueue(new(e.Data.UserId, int.Parse(e.Data.Name!, CultureInfo.InvariantCulture), name, begun, Stopwatch.GetTimestamp()));
                }));
            return builder.Build();
        }
    }
}
