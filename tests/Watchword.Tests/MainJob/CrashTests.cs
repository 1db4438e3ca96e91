using Watchword.Events.JetStream;
using Watchword.Tests.Events.Outbox;

namespace Watchword.Tests.MainJob;

/// <summary>Nothing is lost and nothing is out of order, whoever is killed.</summary>
public class CrashTests(PostgresFixture postgres)
{
    private const int Users = 500;
    private const int Changes = 10_000;

    [Fact]
    public async Task Ten_thousand_updates_arrive_in_order_while_nats_is_killed_twice_and_the_server_once()
    {
        await using var identity = await postgres.IdentityAsync();
        await using var target = await postgres.TargetAsync();
        await using var nats = new NatsServer();
        await nats.StartAsync();
        await using var server = new ServerProcess(
            ("DATABASE_URL", identity.ConnectionString), ("TARGET_DATABASE_URL", target.ConnectionString), ("NATS_URL", nats.Url));
        await server.StartAsync();
        await identity.ExecuteAsync($"""
            INSERT INTO "user" (id, name, email, "emailVerified") SELECT 'u' || i, 'User ' || i, 'u' || i || '@example.com', false FROM generate_series(1, {Users}) i
            """);

        var done = 0;
        var writing = Task.Run(async () =>
        {
            await using var connection = await identity.Source.OpenConnectionAsync();
            for (; done < Changes; done++)
                await new Npgsql.NpgsqlCommand($"""UPDATE "user" SET name = 'change {done}' WHERE id = 'u{(done * 7) % Users + 1}'""", connection).ExecuteNonQueryAsync();
        });
        Task ReachedAsync(int count) => Eventually.TrueAsync(() => Task.FromResult(Volatile.Read(ref done) >= count || writing.IsFaulted));
        await ReachedAsync(Changes / 5);
        await nats.KillAsync();
        await nats.StartAsync();
        await ReachedAsync(Changes * 2 / 5);
        await server.KillAsync();
        await server.StartAsync();
        await ReachedAsync(Changes * 3 / 5);
        await nats.KillAsync();
        await nats.StartAsync();
        await writing;

        await using var reader = JetStreamClient.Connect(new() { Url = nats.Url });
        await reader.WaitUntilOpenAsync(default);
        var events = await reader.ReadStreamAsync("identity-changes", Users + Changes);
        Assert.Equal(
            await identity.QueryAsync<string>("SELECT id::text FROM watchword.outbox WHERE subject = 'user.sync' ORDER BY 1"),
            events.Select(e => e.MessageId).Order(StringComparer.Ordinal));
        foreach (var user in events.GroupBy(e => e.UserId))
            Assert.Equal(user.Select(e => e.Version).Order(), user.Select(e => e.Version));

        var source = await identity.QueryAsync<string>("""SELECT u.id || u.name || u.email || v.version FROM "user" u JOIN watchword.entity_version v ON v.kind = 'user' AND v.id = u.id ORDER BY u.id""");
        await Eventually.TrueAsync(async () => source.SequenceEqual(await target.QueryAsync<string>("SELECT auth_id || name || email || version FROM users ORDER BY auth_id")));
    }

    [Fact]
    public async Task With_nats_stopped_logins_go_on_and_their_events_follow()
    {
        await using var identity = await postgres.IdentityAsync();
        await using var nats = new NatsServer();
        await nats.StartAsync();
        await using var server = new ServerProcess(("DATABASE_URL", identity.ConnectionString), ("NATS_URL", nats.Url), ("PASSWORD_LOG_N", "4"));
        await server.StartAsync();
        using var registered = await server.Http.PostAsync("/auth/register", Json("""{"email":"a@example.com","password":"password123","name":"A"}"""));
        Assert.True(registered.IsSuccessStatusCode);

        nats.Suspend();
        for (var i = 0; i < 50; i++)
            await LoginAsync(server);
        nats.Resume();
        await nats.KillAsync();
        for (var i = 0; i < 50; i++)
            await LoginAsync(server);
        await nats.StartAsync();

        await using var reader = JetStreamClient.Connect(new() { Url = nats.Url });
        await reader.WaitUntilOpenAsync(default);
        var events = await reader.ReadStreamAsync("auth-events", 101);
        Assert.Equal(100, events.Count(e => e.Subject == "auth.user.logged_in"));
        Assert.Equal(101, events.DistinctBy(e => e.MessageId).Count());
    }

    private static async Task LoginAsync(ServerProcess server)
    {
        using var answer = await server.Http.PostAsync("/auth/login", Json("""{"email":"a@example.com","password":"password123"}"""));
        Assert.True(answer.IsSuccessStatusCode);
    }

    private static StringContent Json(string text) => new(text, System.Text.Encoding.UTF8, "application/json");
}
