using System.Text;
using Dapper;
using Watchword.Events.Contracts;
using Watchword.Events.Subscribing;

namespace Watchword.Tests.Events.Subscribing;

/// <summary>Handlers that ignore their cancellation and go on after they were given up: nobody else notices.</summary>
public class GivenUpHandlerTests(PostgresFixture postgres, NatsFixture nats)
{
    private static readonly TimeSpan Limit = TimeSpan.FromMilliseconds(300);

    [Fact]
    public async Task A_statement_that_goes_on_disturbs_no_other_transaction()
    {
        await using var host = await CreateAsync();
        foreach (var user in (string[])["a", "slow", .. Enumerable.Range(0, 50).Select(i => $"u{i}")])
            await host.RegisterAsync(user);
        await host.StartAsync(s => s.ExactlyOnce().With(Limited).On<UserRegistered>(async (e, context, _) =>
        {
            await WriteAsync(context.Connection, e);
            if (e.Data.UserId == "slow" && context.Attempt == 1)
                await context.Connection.ExecuteAsync("SELECT pg_sleep(3)");   // as Dapper is called every day: without the token
        }));
        await OnceEachAsync(host, 52);
    }

    [Theory]
    [InlineData("context")]
    [InlineData("connection")]
    [InlineData("transaction")]
    public async Task What_it_writes_later_is_in_nobody_s_transaction(string kept)
    {
        await using var host = await CreateAsync();
        var (release, written) = (new TaskCompletionSource(), new TaskCompletionSource());
        Exception? refused = null;
        await host.StartAsync(s => s.ExactlyOnce().With(Limited).On<UserRegistered>(async (e, context, ct) =>
        {
            var late = Keep(context, kept);
            if (e.Data.UserId == "late" && context.Attempt == 1)
            {
                await release.Task;
                refused = await Record.ExceptionAsync(() => WriteAsync(late(), e));
                written.SetResult();
                return;
            }
            await WriteAsync(context.Connection, e);
            if (e.Data.UserId == "next")
            {
                // Its transaction is open while the other one writes.
                release.SetResult();
                await written.Task.WaitAsync(ct);
            }
        }));
        await host.RegisterAsync("late");
        await OnceEachAsync(host, 1);
        await host.RegisterAsync("next");
        await OnceEachAsync(host, 2);
        Assert.NotNull(refused);
    }

    [Fact]
    public async Task What_it_writes_later_is_not_in_its_own_next_attempt_either()
    {
        await using var host = await CreateAsync();
        var (release, written, tries) = (new TaskCompletionSource(), new TaskCompletionSource(), 0);
        Exception? refused = null;
        foreach (var name in (string[])["1", "2", "3"])
            await host.RegisterAsync("u", name);
        await host.StartAsync(s => s.ExactlyOnce().With(Limited).On<UserRegistered>(async (e, context, ct) =>
        {
            if (e.Data.Name == "1")
                await Task.Delay(100, ct);   // the others gather behind it, and are undone together
            var isLate = e.Data.Name == "2" && Interlocked.Increment(ref tries) == 1;
            if (isLate)
                await release.Task;
            if (isLate)
            {
                refused = await Record.ExceptionAsync(() => WriteAsync(context.Connection, e));
                written.SetResult();
                return;
            }
            await WriteAsync(context.Connection, e);
            if (e.Data.Name == "2")
            {
                release.TrySetResult();
                await written.Task.WaitAsync(ct);
            }
        }));
        await OnceEachAsync(host, 3);
        Assert.NotNull(refused);
        Assert.Equal(["1", "2", "3"], await host.Database.QueryAsync<string>("SELECT what FROM effect ORDER BY id"));
    }

    [Theory]
    [InlineData("context")]
    [InlineData("connection")]
    [InlineData("transaction")]
    public async Task What_a_handler_left_running_has_no_transaction_any_more(string kept)
    {
        await using var host = await CreateAsync();
        var (release, written) = (new TaskCompletionSource(), new TaskCompletionSource());
        Exception? refused = null;
        await host.StartAsync(s => s.ExactlyOnce().With(Limited).On<UserRegistered>(async (e, context, ct) =>
        {
            var late = Keep(context, kept);
            await WriteAsync(context.Connection, e);
            if (e.Data.UserId == "careless")
            {
                _ = Task.Run(async () =>
                {
                    await release.Task;
                    refused = await Record.ExceptionAsync(() => WriteAsync(late(), e));
                    written.SetResult();
                }, ct);
                return;
            }
            release.SetResult();
            await written.Task.WaitAsync(ct);
        }));
        await host.RegisterAsync("careless");
        await OnceEachAsync(host, 1);
        await host.RegisterAsync("next");
        await OnceEachAsync(host, 2);
        var told = Assert.IsAssignableFrom<InvalidOperationException>(refused);
        if (kept == "context")
            Assert.StartsWith("the handler has returned", told.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_it_reads_later_is_still_its_event(bool fanOut)
    {
        await using var host = await SubscriberHost.CreateAsync(nats, fanOut ? null : await postgres.EmptyAsync());
        var (release, read) = (new TaskCompletionSource(), new TaskCompletionSource<string>());
        await host.StartAsync(s => (fanOut ? s.FanOut() : s).With(Limited).OnAny(async (context, ct) =>
        {
            if (context.Key != "late" || context.Attempt > 1)
                return;
            var payload = context.Payload;
            await release.Task;
            read.SetResult(Encoding.UTF8.GetString(payload.Span));
        }, "auth-events"));
        await host.Logs.LineAsync(2200);
        await host.RegisterAsync("warm");
        await host.RegisterAsync("warm");   // what the first gave back is used again from here on
        var id = Guid.CreateVersion7().ToString();
        await host.RegisterAsync("late", new string('l', 2_000), id);
        await host.Logs.LineAsync(fanOut ? 2209 : 2215);
        for (var i = 0; i < 200; i++)
            await host.RegisterAsync("next", new string('n', 2_000));
        release.SetResult();
        Assert.Equal(SubscriberHost.Registered("late", new string('l', 2_000), id), await read.Task.WaitAsync(TimeSpan.FromSeconds(30)));
    }

    private static SubscriberOptions Limited(SubscriberOptions o) => o with { HandlerTimeout = Limit, Concurrency = 1 };

    /// <summary>What a handler may keep of its transaction, and come to its connection by when it is over.</summary>
    private static Func<Npgsql.NpgsqlConnection> Keep(EventContext context, string kept)
    {
        var (connection, transaction) = (context.Connection, context.Transaction);
        return () => kept switch
        {
            "context" => context.Connection,
            "connection" => connection,
            _ => transaction.Connection!,
        };
    }

    private static Task<int> WriteAsync(Npgsql.NpgsqlConnection connection, UserRegistered e) =>
        connection.ExecuteAsync("INSERT INTO effect (who, what) VALUES (@UserId, @Name)", new { e.Data.UserId, e.Data.Name });

    private async Task<SubscriberHost> CreateAsync()
    {
        var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        await host.Database.ExecuteAsync("CREATE TABLE effect (id bigint GENERATED ALWAYS AS IDENTITY, who text NOT NULL, what text NOT NULL)");
        return host;
    }

    private static async Task OnceEachAsync(SubscriberHost host, long events)
    {
        await host.Logs.LineAsync(2200);
        await Eventually.TrueAsync(async () => await host.Database.ScalarAsync<long>("SELECT count(*) FROM watchword.handled_event") == events);
        await host.SettledAsync();
        Assert.Equal(events, await host.Database.ScalarAsync<long>("SELECT count(*) FROM effect"));
        Assert.Equal(events, await host.Database.ScalarAsync<long>("SELECT count(DISTINCT who || what) FROM effect"));
        Assert.Empty(await host.DeadLetters.ListAsync());
    }
}
