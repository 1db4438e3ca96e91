using System.Collections.Concurrent;
using Npgsql;
using Watchword.Events.Contracts;
using Watchword.Events.Subscribing;

namespace Watchword.Tests.Events.Subscribing;

/// <summary>What becomes of a parked event that is being handled when its process ends: by a stop, or by a death.</summary>
public class StoppedMidwayTests(PostgresFixture postgres, NatsFixture nats)
{
    private readonly TaskCompletionSource _entered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly ConcurrentQueue<(string Name, int Attempt)> _handled = [];

    private async Task<SubscriberHost> CreateAsync() => await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());

    private Task StartAsync(SubscriberHost host, Func<EventContext, CancellationToken, Task> handle, int maxDeliver = 3, TimeSpan? drain = null) =>
        host.StartAsync(s => s.With(o => o with { MaxDeliver = maxDeliver, DrainTimeout = drain ?? TimeSpan.Zero }).On<UserRegistered>(async (e, context, ct) =>
        {
            await handle(context, ct);
            _handled.Enqueue((e.Data.Name, context.Attempt));
        }));

    private static Task Fail(EventContext context, CancellationToken ct) => throw new InvalidOperationException("no");

    private static Task Succeed(EventContext context, CancellationToken ct) => Task.CompletedTask;

    private async Task StayAsync(EventContext context, CancellationToken ct)
    {
        _entered.TrySetResult();
        await Task.Delay(Timeout.Infinite, ct);
    }

    private static async Task<DeadLetter> ParkAsync(SubscriberHost host, params string[] names)
    {
        foreach (var name in names)
            await host.RegisterAsync("u", name);
        await Eventually.TrueAsync(async () => await host.DeadLetters.ListAsync() is [var one] && one.Waiting == names.Length - 1);
        return (await host.DeadLetters.ListAsync())[0];
    }

    [Fact]
    public async Task A_redrive_that_a_stop_interrupts_goes_on_at_the_next_start()
    {
        await using var host = await CreateAsync();
        await StartAsync(host, Fail, maxDeliver: 1);
        await ParkAsync(host, "1", "2");
        await host.StopAsync();

        var asked = await host.DeadLetters.RedriveAsync(SubscriberHost.Name, "u", "ada");
        await StartAsync(host, StayAsync, maxDeliver: 1);
        await _entered.Task;
        var twice = await Assert.ThrowsAsync<DeadLetterException>(() => host.DeadLetters.RedriveAsync(SubscriberHost.Name, "u", "bob"));
        Assert.Contains("is being redriven already, asked for by ada", twice.Message, StringComparison.Ordinal);
        await host.StopAsync();
        Assert.Equal((1, true), (await host.DeadLetters.ListAsync()) is [var letter] ? (letter.Attempts, (await host.DeadLetters.OutcomesAsync(asked))[0].IsPending) : default);

        await StartAsync(host, Succeed, maxDeliver: 1);
        await Eventually.TrueAsync(async () => await host.DeadLetters.OutcomesAsync(asked) is [{ Applied: 2, Left: 0 }]);
        Assert.Equal([("1", 2), ("2", 1)], _handled);
    }

    [Fact]
    public async Task A_handler_that_ends_in_time_may_do_so()
    {
        await using var host = await CreateAsync();
        await StartAsync(host, Fail, maxDeliver: 1);
        var letter = await ParkAsync(host, "1", "2");
        await host.StopAsync();

        await host.DeadLetters.RedriveAsync(letter.Id, "ada");
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await StartAsync(host, async (_, ct) =>
        {
            _entered.TrySetResult();
            await go.Task.WaitAsync(ct);
        }, drain: TimeSpan.FromSeconds(20));
        await _entered.Task;
        var stopping = host.StopAsync();
        go.SetResult();
        await stopping;

        Assert.Equal([("1", 2)], _handled);   // and the next was not begun
        Assert.Equal("redriven", (await host.DeadLetters.FindAsync(letter.Id))!.State);
        Assert.Equal("waiting", await host.Database.ScalarAsync<string>("SELECT state FROM watchword.parked_event WHERE resolved_at IS NULL"));
    }

    [Fact]
    public async Task A_stop_uses_up_no_attempt()
    {
        await using var host = await CreateAsync();
        await StartAsync(host, (context, ct) => context.Attempt == 1 ? Fail(context, ct) : StayAsync(context, ct), maxDeliver: 2);
        await host.RegisterAsync("u", "1");
        await _entered.Task;
        await host.StopAsync();

        Assert.Equal("retrying 1", await host.Database.ScalarAsync<string>("SELECT state || ' ' || attempts FROM watchword.parked_event"));
        await StartAsync(host, Succeed, maxDeliver: 2);
        await Eventually.TrueAsync(() => !_handled.IsEmpty);
        Assert.Equal([("1", 2)], _handled);
    }

    [Fact]
    public async Task A_redrive_that_the_process_did_not_outlive_has_failed_and_says_so()
    {
        await using var host = await CreateAsync();
        await StartAsync(host, Fail, maxDeliver: 1);
        var letter = await ParkAsync(host, "1");
        await host.StopAsync();
        var asked = await host.DeadLetters.RedriveAsync(letter.Id, "ada");
        for (var deaths = 1; deaths <= 2; deaths++)
        {
            // As BeginAsync leaves it when the process is killed in the handler.
            await host.Database.ExecuteAsync("UPDATE watchword.parked_event SET attempts = attempts + 1, due_at = NULL, began_by = gen_random_uuid(), requested_by = 'ada'");
            await StartAsync(host, Succeed, maxDeliver: 1);
            await Eventually.TrueAsync(async () => await host.DeadLetters.OutcomesAsync(asked) is [{ IsPending: false }]);
            Assert.Equal("InvalidOperationException: no; the process ended while it was handled", (await host.DeadLetters.OutcomesAsync(asked))[0].Failure);
            await host.StopAsync();
        }
        Assert.Empty(_handled);   // it is not tried again by itself: it may have taken the process down

        await host.DeadLetters.RedriveAsync(letter.Id, "ada");
        await StartAsync(host, Succeed, maxDeliver: 1);
        await Eventually.TrueAsync(() => _handled.Count == 1);
    }

    [Fact]
    public async Task What_is_being_redriven_cannot_be_discarded_until_that_has_ended_or_its_process_has()
    {
        await using var host = await CreateAsync();
        await StartAsync(host, Fail, maxDeliver: 1);
        var letter = await ParkAsync(host, "1");
        await host.StopAsync();
        await host.DeadLetters.RedriveAsync(letter.Id, "ada");
        var go = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await StartAsync(host, async (_, ct) =>
        {
            _entered.TrySetResult();
            await go.Task.WaitAsync(ct);
        }, maxDeliver: 1);
        await _entered.Task;

        var refused = await Assert.ThrowsAsync<DeadLetterException>(() => host.DeadLetters.DiscardAsync(letter.Id, "too late", "bob"));
        Assert.Contains("is being redriven already, asked for by ada", refused.Message, StringComparison.Ordinal);
        go.SetResult();
        await Eventually.TrueAsync(async () => (await host.DeadLetters.FindAsync(letter.Id))!.State == "redriven");
        await host.StopAsync();

        // As it is when the process was killed in the handler, and nobody works in its place.
        await host.Database.ExecuteAsync("UPDATE watchword.parked_event SET state = 'failed', began_by = gen_random_uuid(), resolved_at = NULL, requested_by = 'ada'");
        await host.DeadLetters.DiscardAsync(letter.Id, "it kills the process", "bob");
        Assert.Equal("discarded", (await host.DeadLetters.FindAsync(letter.Id))!.State);
    }

    [Fact]
    public async Task What_was_parked_and_never_acknowledged_is_handled_once_and_in_order()
    {
        await using var host = await CreateAsync();
        await StartAsync(host, Fail, maxDeliver: 1);
        await ParkAsync(host, "1", "2", "3");
        await host.StopAsync();
        // As after a death between the commit and the acks: the server counts them as under way.
        var config = (await host.JetStream.FindConsumerAsync("auth-events", SubscriberHost.Name))!.Config;
        await host.JetStream.DeleteConsumerAsync("auth-events", SubscriberHost.Name);
        await host.JetStream.CreateConsumerAsync("auth-events", config);
        Assert.Equal(3, (await host.JetStream.FetchAsync("auth-events", SubscriberHost.Name, 3, TimeSpan.FromSeconds(5))).Count);
        await host.DeadLetters.RedriveAsync(SubscriberHost.Name, "u", "ada");

        await StartAsync(host, Succeed, maxDeliver: 1);
        await host.SettledAsync();
        await host.RegisterAsync("u", "4");
        await Eventually.TrueAsync(() => _handled.Any(h => h.Name == "4"));
        Assert.Equal(["1", "2", "3", "4"], _handled.Select(h => h.Name));
    }

    [Fact]
    public async Task A_database_that_is_away_while_a_parked_event_is_handled_is_no_death_of_the_process()
    {
        await using var host = await CreateAsync();
        var there = new NpgsqlConnectionStringBuilder(host.Database.ConnectionString);
        await using var proxy = new TcpProxy(there.Port);
        there.Port = proxy.Port;
        await using var throughProxy = NpgsqlDataSource.Create(there);
        var calls = new ConcurrentQueue<int>();
        var mended = false;
        await host.StartAsync(s => s.ParkIn(throughProxy).With(o => o with { MaxDeliver = 2, DrainTimeout = TimeSpan.Zero }).On<UserRegistered>(async (_, context, ct) =>
        {
            calls.Enqueue(context.Attempt);
            if (calls.Count == 1)
                throw new InvalidOperationException("once");
            if (!Volatile.Read(ref mended))
                await Task.Delay(Timeout.Infinite, ct);
        }));
        await host.RegisterAsync("u");
        for (var outages = 1; outages <= 2; outages++)
        {
            await Eventually.TrueAsync(() => calls.Count == outages + 1);
            var interrupted = host.Logs.Of(2001).Count;
            proxy.Cut();
            await Eventually.TrueAsync(() => host.Logs.Of(2001).Count > interrupted);
            Volatile.Write(ref mended, outages == 2);
            proxy.Mend();
        }
        await Eventually.TrueAsync(async () => calls.Count == 4 && await host.Database.ScalarAsync<long>("SELECT count(*) FROM watchword.parked_event") == 0);
        Assert.Equal([1, 2, 2, 2], calls);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_database_that_hangs_does_not_hold_up_a_stop(bool exactlyOnce)
    {
        await using var host = await CreateAsync();
        var there = new NpgsqlConnectionStringBuilder(host.Database.ConnectionString);
        await using var proxy = new TcpProxy(there.Port);
        there.Port = proxy.Port;
        await using var throughProxy = NpgsqlDataSource.Create(there);
        await host.StartAsync(s => (exactlyOnce ? s.ExactlyOnce() : s).ParkIn(throughProxy).With(o => o with { DrainTimeout = TimeSpan.FromSeconds(1) })
            .On<UserRegistered>(e => e.Data.Name == "bad" ? throw new InvalidOperationException("no") : Task.Run(() => _handled.Enqueue((e.Data.Name!, 1)))));
        await host.RegisterAsync("u", "1");
        await host.RegisterAsync("v", "bad");
        await Eventually.TrueAsync(async () => !_handled.IsEmpty && (await host.DeadLetters.ListAsync()).Count == 1);
        proxy.Stall();
        await host.RegisterAsync("u", "2");
        await host.RegisterAsync("w", "bad");
        await host.DeadLetters.RedriveAsync(SubscriberHost.Name, "v", "ada");
        // A statement that is cancelled while its server hangs blocks for half a minute in npgsql.
        await host.StopAsync().WaitAsync(TimeSpan.FromSeconds(20), TestContext.Current.CancellationToken);
        Assert.Contains("did not stop in time", (await host.Logs.LineAsync(2003)).Text, StringComparison.Ordinal);
    }
}
