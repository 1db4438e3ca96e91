using System.Collections.Concurrent;
using Dapper;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Watchword.Events.Contracts;
using Watchword.Events.Subscribing;

namespace Watchword.Tests.Events.Subscribing;

/// <summary>Handlers as they are written on a bad day. Each harms its own event, and nobody else's.</summary>
public class CarelessHandlerTests(PostgresFixture postgres, NatsFixture nats)
{
    private const int Others = 20;

    public static TheoryData<string, string> Ways { get; } = new()
    {
        { "forgets to await", "one of its statements was running" },
        { "waits no longer for a statement", "TimeoutException" },
        { "begins two at once", "already in progress" },
        { "leaves a reader open", "or a reader was open" },
        { "rolls back", "ended the transaction" },
        { "rolls back in SQL", "ended the transaction" },
        { "commits", "the handler must not commit" },
        { "commits in SQL", "the handler must not commit" },
        { "closes the connection", "closed its connection" },
        { "swallows an error", "continued after a database error" },
        { "returns nothing", "NullReferenceException" },
        { "cancels itself", "OperationCanceledException" },
    };

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task It_harms_no_other_event(string way, string reason)
    {
        await using var host = await CreateAsync();
        for (var i = 0; i <= Others; i++)
            await host.RegisterAsync($"u{i}", i == Others / 2 ? "careless" : "good");

        await host.StartAsync(s => s.ExactlyOnce().With(o => o with { MaxDeliver = 1, Concurrency = 1 }).On<UserRegistered>((e, context, ct) => HandleAsync(e, context, way, ct)));

        await Eventually.TrueAsync(async () => await CountAsync(host) == Others && await host.DeadLetters.ListAsync() is [_]);
        await host.SettledAsync();
        var letter = (await host.DeadLetters.ListAsync()).Single();
        Assert.Equal($"u{Others / 2}", letter.Key);
        Assert.Contains(reason, letter.Reason, StringComparison.Ordinal);
        Assert.Equal(Others, await host.Database.ScalarAsync<long>("SELECT count(DISTINCT who) FROM effect WHERE what = 'good'"));
        Assert.Equal(Others, await CountAsync(host));
        Assert.Equal(Others, await host.Database.ScalarAsync<long>("SELECT count(*) FROM watchword.handled_event"));
        var stopping = System.Diagnostics.Stopwatch.StartNew();
        await host.StopAsync();
        Assert.InRange(stopping.Elapsed.TotalSeconds, 0, 15);
    }

    private static Task HandleAsync(UserRegistered e, EventContext context, string way, CancellationToken ct)
    {
        return e.Data.Name == "good" ? WriteAsync(context.Connection, e) : way switch
        {
            "forgets to await" => ForgetAsync(),
            "waits no longer for a statement" => context.Connection.ExecuteAsync("SELECT pg_sleep(60)").WaitAsync(TimeSpan.FromMilliseconds(200), ct),
            "begins two at once" => TwoAsync(),
            "leaves a reader open" => ReadAsync(),
            "rolls back" => context.Transaction.RollbackAsync(ct),
            "rolls back in SQL" => context.Connection.ExecuteAsync("ROLLBACK"),
            "commits" => context.Transaction.CommitAsync(ct),
            "commits in SQL" => context.Connection.ExecuteAsync("COMMIT"),
            "closes the connection" => context.Connection.CloseAsync(),
            "swallows an error" => SwallowAsync(),
            "returns nothing" => Array.Find(Array.Empty<Task>(), _ => true)!,
            _ => Task.FromException(new OperationCanceledException("of its own")),
        };

        Task ForgetAsync()
        {
            _ = context.Connection.ExecuteAsync("SELECT pg_sleep(60)");
            return Task.CompletedTask;
        }

        async Task TwoAsync()
        {
            _ = context.Connection.ExecuteAsync("SELECT pg_sleep(60)");
            await context.Connection.ExecuteAsync("SELECT");
        }

        async Task ReadAsync()
        {
            var command = new NpgsqlCommand("SELECT generate_series(1, 100000)", context.Connection);
            await (await command.ExecuteReaderAsync(ct)).ReadAsync(ct);
        }

        async Task SwallowAsync()
        {
            try
            {
                await context.Connection.ExecuteAsync("SELECT 1 / 0");
            }
            catch (PostgresException)
            {
                // And goes on.
            }
        }
    }

    [Theory]
    [InlineData(16)]
    [InlineData(1)]
    public async Task Others_whose_locks_cross_are_nobody_s_fault(int batchSize)
    {
        const int Events = 60;
        await using var host = await CreateAsync();
        await host.Database.ExecuteAsync("CREATE TABLE counter (id int PRIMARY KEY, n int NOT NULL); INSERT INTO counter SELECT i, 0 FROM generate_series(0, 4) i");
        for (var i = 0; i < Events; i++)
            await host.RegisterAsync($"u{i}", $"{i}");

        await using var attentive = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(host.Database.ConnectionString) { Options = "-c deadlock_timeout=10ms" });
        await host.StartAsync(s => s.ParkIn(attentive).ExactlyOnce().With(o => o with { MaxDeliver = 1, BatchSize = batchSize }).On<UserRegistered>(async (e, context, ct) =>
        {
            var number = int.Parse(e.Data.Name, System.Globalization.CultureInfo.InvariantCulture);
            foreach (var id in (int[])[number % 5, (number + 1 + (number % 3)) % 5])   // in no common order
            {
                await context.Connection.ExecuteAsync("UPDATE counter SET n = n + 1 WHERE id = @id", new { id });
                await Task.Delay(2, ct);
            }
        }));

        await Eventually.TrueAsync(async () => await host.Database.ScalarAsync<long>("SELECT sum(n) FROM counter") == 2 * Events, TimeSpan.FromSeconds(60));
        await host.StopAsync();   // sessions tell of their deadlocks when they end, at the latest
        await attentive.DisposeAsync();
        await Eventually.TrueAsync(async () => await host.Database.ScalarAsync<long>("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()") > 0);
        Assert.Equal(0, await host.Database.ScalarAsync<long>("SELECT count(*) FROM watchword.parked_event"));
    }

    [Fact]
    public async Task One_that_blocks_its_thread_is_given_up_too()
    {
        await using var host = await CreateAsync();
        using var gate = new ManualResetEventSlim();
        await host.StartAsync(s => s.ExactlyOnce().With(o => o with { MaxDeliver = 1, Concurrency = 1, HandlerTimeout = TimeSpan.FromMilliseconds(300) }).On<UserRegistered>((e, context, _) =>
        {
            if (e.Data.Name == "blocks")
                gate.Wait(CancellationToken.None);
            return WriteAsync(context.Connection, e);
        }));
        await host.RegisterAsync("a", "blocks");
        await host.RegisterAsync("b", "good");
        await Eventually.TrueAsync(async () => await CountAsync(host) == 1 && await host.DeadLetters.ListAsync() is [{ Key: "a" }]);
        Assert.Contains("took longer than", (await host.DeadLetters.ListAsync())[0].Reason, StringComparison.Ordinal);
        gate.Set();
    }

    [Fact]
    public async Task Places_in_the_pool_come_back_though_readers_are_left_open()
    {
        var database = await postgres.EmptyAsync();
        await using var small = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(database.ConnectionString) { MaxPoolSize = 6 });
        await using var host = await SubscriberHost.CreateAsync(nats, database);
        var release = new TaskCompletionSource();
        var handled = new ConcurrentQueue<string>();
        await host.StartAsync(s => s.ParkIn(small).ExactlyOnce().With(o => o with { MaxDeliver = 1, Concurrency = 1, HandlerTimeout = TimeSpan.FromMilliseconds(100) }).On<UserRegistered>(async (e, context, _) =>
        {
            if (e.Data.Name == "good")
            {
                handled.Enqueue(e.Data.UserId);
                return;
            }
            await using var command = new NpgsqlCommand("SELECT generate_series(1, 100000)", context.Connection);
            await using var reader = await command.ExecuteReaderAsync(CancellationToken.None);
            await release.Task;   // in the middle of it
        }));
        for (var i = 0; i < 9; i++)
            await host.RegisterAsync($"u{i}", "careless");
        await host.RegisterAsync("last", "good");
        await Eventually.TrueAsync(() => handled.Count == 1);
        await Eventually.TrueAsync(async () => (await host.DeadLetters.ListAsync()).Count == 9);
        Assert.Single(host.Logs.Of(2200));
        release.SetResult();
    }

    private sealed class Slow(NpgsqlDataSource database) : IAsyncDisposable
    {
        public NpgsqlConnection Connection { get; } = database.CreateConnection();

        public ValueTask DisposeAsync() => Connection.DisposeAsync();
    }

    private sealed class Stuck : IAsyncDisposable
    {
        public static TaskCompletionSource Released { get; } = new();

        public ValueTask DisposeAsync() => new(Released.Task);
    }

    [Theory]
    [InlineData(true, "the handler took longer than")]
    [InlineData(false, "the handler's services took longer than")]
    public async Task Services_that_cannot_be_disposed_of_hold_up_nobody(bool givenUp, string reason)
    {
        await using var host = await CreateAsync();
        await host.StartAsync(s => s.With(o => o with { MaxDeliver = 1, Concurrency = 1, HandlerTimeout = TimeSpan.FromMilliseconds(300) }).On<UserRegistered>(async (e, context, _) =>
        {
            if (e.Data.Name == "good")
            {
                await using var connection = await host.Database.Source.OpenConnectionAsync(CancellationToken.None);
                await WriteAsync(connection, e);
                return;
            }
            if (!givenUp)
            {
                context.Services.GetRequiredService<Stuck>();
                return;
            }
            var slow = context.Services.GetRequiredService<Slow>();
            await slow.Connection.OpenAsync(CancellationToken.None);
            await slow.Connection.ExecuteAsync("SELECT pg_sleep(60)");
        }), services: s => s.AddSingleton(host.Database.Source).AddScoped<Slow>().AddScoped<Stuck>());
        await host.RegisterAsync("a", "careless");
        await host.RegisterAsync("b", "good");
        await Eventually.TrueAsync(async () => await CountAsync(host) == 1 && await host.DeadLetters.ListAsync() is [{ Key: "a" }]);
        Assert.Contains(reason, (await host.DeadLetters.ListAsync())[0].Reason, StringComparison.Ordinal);
        await host.Database.ExecuteAsync("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND query LIKE '%pg_sleep%' AND pid <> pg_backend_pid()");
    }

    private sealed class Scoped;

    [Fact]
    public async Task Those_that_were_undone_with_it_have_their_services_again()
    {
        await using var host = await CreateAsync();
        for (var i = 0; i <= Others; i++)
            await host.RegisterAsync($"u{i}", i == Others ? "careless" : "good");
        await host.StartAsync(s => s.ExactlyOnce().With(o => o with { MaxDeliver = 1, Concurrency = 1, BatchSize = 100 }).On<UserRegistered>(async (e, context, _) =>
        {
            Assert.NotNull(context.Services.GetRequiredService<Scoped>());
            await WriteAsync(context.Connection, e);
            if (e.Data.Name == "careless")
                throw new InvalidOperationException("no");
        }), services: s => s.AddScoped<Scoped>());
        await Eventually.TrueAsync(async () => await CountAsync(host) + (await host.DeadLetters.ListAsync()).Count == Others + 1);
        Assert.Equal($"u{Others}", Assert.Single(await host.DeadLetters.ListAsync()).Key);
    }

    [Fact]
    public async Task Another_role_that_it_puts_on_ends_with_it_in_a_redrive_too()
    {
        await using var host = await CreateAsync();
        var broken = true;
        await host.StartAsync(s => s.ExactlyOnce().With(o => o with { MaxDeliver = 1, BatchSize = 1 }).On<UserRegistered>(async (e, context, _) =>
        {
            await WriteAsync(context.Connection, e);
            await context.Connection.ExecuteAsync("SET LOCAL ROLE pg_monitor");
            if (Volatile.Read(ref broken))
                throw new InvalidOperationException("no");
        }));
        await host.RegisterAsync("u", "good");
        await Eventually.TrueAsync(async () => await host.DeadLetters.ListAsync() is [_]);
        Volatile.Write(ref broken, false);
        await host.DeadLetters.RedriveAsync(SubscriberHost.Name, "u", "ada");
        await Eventually.TrueAsync(async () => await CountAsync(host) == 1 && await host.DeadLetters.ListAsync() is []);
    }

    [Fact]
    public void What_a_library_wraps_is_told_and_counts()
    {
        var inner = new PostgresException("duplicate key", "ERROR", "ERROR", "23505");
        Assert.Equal("InvalidOperationException: see the inner exception (duplicate key (23505))", SubscriberFailure.Reason(new InvalidOperationException("see the inner exception", new IOException("between", inner))));
        Assert.Equal("no such plan", SubscriberFailure.Reason(new AggregateException(new EventRefusedException("no such plan"))));
        Assert.True(SubscriberFailure.IsLasting(new AggregateException(new EventRefusedException("no such plan"))));
        Assert.True(SubscriberFailure.IsConflict(new InvalidOperationException("saved nothing", new PostgresException("deadlock detected", "ERROR", "ERROR", "40P01"))));
    }

    private static Task<int> WriteAsync(NpgsqlConnection connection, UserRegistered e) =>
        connection.ExecuteAsync("INSERT INTO effect (who, what) VALUES (@UserId, @Name)", new { e.Data.UserId, e.Data.Name });

    private static Task<long> CountAsync(SubscriberHost host) => host.Database.ScalarAsync<long>("SELECT count(*) FROM effect");

    private async Task<SubscriberHost> CreateAsync()
    {
        var host = await SubscriberHost.CreateAsync(nats, await postgres.EmptyAsync());
        await host.Database.ExecuteAsync("CREATE TABLE effect (id bigint GENERATED ALWAYS AS IDENTITY, who text NOT NULL, what text NOT NULL)");
        return host;
    }
}
