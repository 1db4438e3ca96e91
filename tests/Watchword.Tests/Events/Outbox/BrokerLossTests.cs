using System.Net;
using Watchword.Events.JetStream;
using Watchword.Tests.Tokens;

namespace Watchword.Tests.Events.Outbox;

/// <summary>NATS loses everything under a running server, and nobody loses anything.</summary>
public class BrokerLossTests(PostgresFixture postgres)
{
    [Fact]
    public async Task A_wiped_nats_gets_every_event_back_and_the_target_stays_equal()
    {
        await using var identity = await postgres.IdentityAsync();
        await using var target = await postgres.TargetAsync();
        await using var nats = new NatsServer();
        await nats.StartAsync();
        await using var server = new ServerProcess(("DATABASE_URL", identity.ConnectionString), ("TARGET_DATABASE_URL", target.ConnectionString), ("NATS_URL", nats.Url));
        await server.StartAsync();
        for (var i = 0; i < 10; i++)
            await server.RegisterAsync();
        await identity.ExecuteAsync("""UPDATE "user" SET name = 'renamed'""");
        await EqualAsync(identity, target);

        await nats.KillAsync();
        nats.LoseData();
        await server.RegisterAsync();
        await nats.StartAsync();

        await Eventually.TrueAsync(async () => await identity.ScalarAsync<long>("SELECT count(*) FROM watchword.outbox WHERE published_at IS NULL") == 0
            && await identity.ScalarAsync<long>("SELECT count(*) FROM watchword.stream_audit WHERE \"full\" AND lost > 0") == 2);
        await server.RegisterAsync();   // user sync goes on, too
        await EqualAsync(identity, target);

        await using var reader = JetStreamClient.Connect(new() { Url = nats.Url });
        await reader.WaitUntilOpenAsync(default);
        var stored = await reader.ReadStreamAsync("identity-changes", 34);
        Assert.Equal(await identity.QueryAsync<string>("SELECT id::text FROM watchword.outbox WHERE stream = 'identity-changes' ORDER BY position"), stored.Select(e => e.MessageId));
        Assert.Equal(12, (await reader.ReadStreamAsync("auth-events", 12)).Count);
        Assert.Equal(HttpStatusCode.OK, (await server.SendAsync(HttpMethod.Get, "/health/ready")).Status);
    }

    private static async Task EqualAsync(TestDatabase identity, TestDatabase target)
    {
        const string Order = "ORDER BY 1";
        await Eventually.TrueAsync(async () =>
            (await identity.QueryAsync<string>($"SELECT id || ' ' || email || ' ' || name FROM \"user\" {Order}"))
                .SequenceEqual(await target.QueryAsync<string>($"SELECT auth_id || ' ' || email || ' ' || name FROM users WHERE is_active {Order}")),
            TimeSpan.FromSeconds(60));
    }
}
