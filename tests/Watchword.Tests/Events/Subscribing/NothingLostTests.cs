using System.Collections.Concurrent;
using System.Globalization;
using Dapper;
using Microsoft.Extensions.DependencyInjection;
using Watchword.Events;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;
using Watchword.Events.Subscribing;

namespace Watchword.Tests.Events.Subscribing;

/// <summary>Stops, restored backups, conflicts without end and broken exceptions lose no event, and stop nobody else's.</summary>
public class NothingLostTests(PostgresFixture postgres, NatsFixture nats)
{
    [Fact]
    public async Task New_events_on_the_sequences_of_old_ones_are_handled_after_a_backup_was_restored()
    {
        await using var database = await postgres.EmptyAsync();
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var proxy = new TcpProxy(server.Port);
        var (handled, failed) = (new ConcurrentQueue<string>(), new ConcurrentDictionary<string, bool>());
        var builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddLogging();
        builder.Services.AddWatchwordSubscriber(SubscriberHost.Name, s => s
            .Connect($"nats://127.0.0.1:{proxy.Port}").ParkIn(database.Source).With(o => o with { Backoff = TimeSpan.FromMilliseconds(20) }).On<UserRegistered>(e =>
            {
                if (e.Data.UserId.StartsWith("new", StringComparison.Ordinal) && failed.TryAdd(e.Data.UserId, true))
                    throw new InvalidOperationException("once");
                handled.Enqueue(e.Data.UserId);
                return Task.CompletedTask;
            }));
        using var host = builder.Build();
        await using (var before = await OpenAsync(server))
            foreach (var stream in Streams.All)
                await before.CreateStreamAsync(stream);
        await host.StartAsync();
        await RegisterAsync(server, "kept");
        await Eventually.TrueAsync(() => handled.Count == 1);
        await using (var operators = await OpenAsync(server))
            await Eventually.TrueAsync(async () => await operators.FindConsumerAsync("auth-events", SubscriberHost.Name) is { NumAckPending: 0 });
        await server.StopAsync();
        server.SaveData();
        await server.StartAsync();
        await RegisterAsync(server, "old1", "old2", "old3");
        await Eventually.TrueAsync(() => handled.Count >= 4);

        proxy.Cut();
        await server.StopAsync();
        server.RestoreData();
        await server.StartAsync();
        await RegisterAsync(server, "new1", "new2", "new3");
        proxy.Mend();
        await Eventually.TrueAsync(() => Task.FromResult(handled.Count(h => h.StartsWith("new", StringComparison.Ordinal)) == 3), TimeSpan.FromSeconds(60));
        await host.StopAsync();
    }

    [Fact]
    public async Task What_is_on_its_way_when_a_process_stops_is_given_back()
    {
        const int Stops = 12;
        await using var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        var handled = new ConcurrentDictionary<int, bool>();
        using var enough = new CancellationTokenSource();
        var published = 0;
        var publishing = Task.Run(async () =>
        {
            for (; !enough.IsCancellationRequested; published++)
                await host.RegisterAsync($"u{published % 50}", published.ToString(CultureInfo.InvariantCulture));
        });
        for (var round = 0; round < Stops; round++)
        {
            await host.StartAsync(s => s.With(o => o with { AckWait = TimeSpan.FromMinutes(10) }).On<UserRegistered>(e =>
            {
                handled[int.Parse(e.Data.Name!, CultureInfo.InvariantCulture)] = true;
                return Task.CompletedTask;
            }));
            await Eventually.TrueAsync(() => handled.Count > round * 200);
            await host.StopAsync();
        }
        await enough.CancelAsync();
        await publishing;

        for (var empty = 0; empty < 3 && handled.Count < published;)
        {
            var given = await host.JetStream.FetchAsync("auth-events", SubscriberHost.Name, 500, TimeSpan.FromSeconds(1));
            empty = given.Count == 0 ? empty + 1 : 0;
            foreach (var message in given)
            {
                var read = (UserRegistered)EventReader.Read(EventCatalogue.Of(typeof(UserRegistered)), message.Data, message.Headers, out _)!;
                handled[int.Parse(read.Data.Name!, CultureInfo.InvariantCulture)] = true;
                await message.AckAsync();
            }
        }
        // About two at each stop before there was a drain. The server itself sends one after a subscriber, now and then,
        // that has just told it that it goes.
        Assert.InRange(published - handled.Count, 0, Stops / 2);
    }

    [Fact]
    public async Task A_fan_out_s_stream_that_ends_leaves_the_others_alone()
    {
        await using var host = await SubscriberHost.CreateAsync(nats);
        var handled = new ConcurrentQueue<string>();
        await host.StartAsync(s => s.FanOut()
            .On<UserRegistered>(e =>
            {
                handled.Enqueue(e.Data.UserId);
                return Task.CompletedTask;
            })
            .On<UserSyncEvent>(_ => Task.CompletedTask));
        await Eventually.TrueAsync(() => host.Logs.Of(2200).Count == 2);
        await host.RegisterAsync("a");
        await Eventually.TrueAsync(() => handled.Count == 1);
        await host.JetStream.DeleteStreamAsync("identity-changes");
        await host.Logs.LineAsync(2214);
        await host.RegisterAsync("b");
        await Eventually.TrueAsync(() => handled.Count >= 2);
        Assert.Equal(["a", "b"], handled);
        await host.JetStream.CreateStreamAsync(Streams.IdentityChanges);
        await Eventually.TrueAsync(() => host.Logs.Of(2200).Count == 3);
    }

    [Fact]
    public async Task A_stop_within_a_batch_keeps_what_was_done_and_begins_nothing_more()
    {
        await using var host = await CreateAsync();
        for (var i = 0; i < 10; i++)
            await host.RegisterAsync($"u{i}");
        var (begun, third) = (0, new TaskCompletionSource());
        Task StartAsync() => host.StartAsync(s => s.ExactlyOnce().With(o => o with { Concurrency = 1 }).On<UserRegistered>(async (e, context, _) =>
        {
            if (Interlocked.Increment(ref begun) == 3)
                third.SetResult();
            await Task.Delay(100, CancellationToken.None);
            await WriteAsync(e, context);
        }));

        await StartAsync();
        await third.Task;
        await host.StopAsync();
        Assert.InRange(begun, 3, 4);
        Assert.Equal(begun, await CountAsync(host));
        await StartAsync();
        await host.SettledAsync();
        Assert.Equal((10, 10L, 10L), (begun, await CountAsync(host), await host.Database.ScalarAsync<long>("SELECT count(DISTINCT who) FROM effect")));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_conflict_that_never_ends_is_the_handler_s_own(bool exactlyOnce)
    {
        await using var host = await CreateAsync();
        await host.RegisterAsync("bad");
        for (var i = 0; i < 10; i++)
            await host.RegisterAsync($"good{i}");
        var good = 0;
        await host.StartAsync(s => (exactlyOnce ? s.ExactlyOnce() : s).With(o => o with { Concurrency = 1 }).On<UserRegistered>(async (e, context, ct) =>
        {
            if (e.Data.UserId != "bad")
                Interlocked.Increment(ref good);
            else
                await host.Database.ExecuteAsync("DO $$ BEGIN RAISE EXCEPTION 'the version is 5, not 4' USING ERRCODE = '40001'; END $$");
        }));
        await Eventually.TrueAsync(async () => await host.DeadLetters.ListAsync() is [{ Key: "bad", Attempts: 3 }], TimeSpan.FromSeconds(60));
        await host.SettledAsync();
        Assert.InRange(good, 10, 200);
        Assert.Contains("the version is 5, not 4", (await host.DeadLetters.ListAsync())[0].Reason, StringComparison.Ordinal);
    }

    private sealed class Mute : Exception
    {
        public override string Message => throw new InvalidOperationException("not even this");

        public override string ToString() => throw new InvalidOperationException("nor this");
    }

    [Fact]
    public async Task An_exception_that_cannot_say_what_it_is_stops_its_own_event_alone()
    {
        await using var host = await CreateAsync();
        foreach (var user in (string[])["bad", "good"])
            await host.RegisterAsync(user);
        await host.StartAsync(s => s.With(o => o with { MaxDeliver = 1, Concurrency = 1 }).On<UserRegistered>(e => e.Data.UserId == "bad" ? throw new Mute() : Task.CompletedTask));
        await host.SettledAsync();
        Assert.Equal(("bad", "Mute"), await host.DeadLetters.ListAsync() is [var letter] ? (letter.Key, letter.Reason) : default);
    }

    [Fact]
    public async Task A_pool_too_small_for_its_subscriber_is_refused()
    {
        await using var database = await postgres.EmptyAsync();
        void Add(string options) => new ServiceCollection().AddWatchwordSubscriber("s", s => s
            .ParkIn(database.ConnectionString + options).ExactlyOnce().With(o => o with { Concurrency = 10 }).On<UserRegistered>(_ => Task.CompletedTask));

        var refused = Assert.Throws<ArgumentException>(() => Add(";Maximum Pool Size=23"));
        Assert.Contains("uses up to 24 connections, and the pool of ParkIn() has 23: add Maximum Pool Size=24", refused.Message, StringComparison.Ordinal);
        Add(";Maximum Pool Size=24");
    }

    private async Task<SubscriberHost> CreateAsync()
    {
        var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        await host.Database.ExecuteAsync("CREATE TABLE effect (id bigint GENERATED ALWAYS AS IDENTITY, who text NOT NULL)");
        return host;
    }

    private static Task<int> WriteAsync(UserRegistered e, EventContext context) =>
        context.Connection.ExecuteAsync("INSERT INTO effect (who) VALUES (@UserId)", new { e.Data.UserId }, context.Transaction);

    private static Task<long> CountAsync(SubscriberHost host) => host.Database.ScalarAsync<long>("SELECT count(*) FROM effect");

    private static async Task<JetStreamClient> OpenAsync(NatsServer server)
    {
        var connection = JetStreamClient.Connect(new NatsSettings { Url = server.Url });
        await connection.WaitUntilOpenAsync(default);
        return connection;
    }

    private static async Task RegisterAsync(NatsServer server, params string[] users)
    {
        await using var connection = await OpenAsync(server);
        foreach (var user in users)
            await connection.PublishAsync("auth.user.registered", System.Text.Encoding.UTF8.GetBytes(SubscriberHost.Registered(user, "n", user)));
    }
}
