using System.Net.Http.Json;
using Dapper;
using Watchword.Events;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;

namespace Watchword.Tests.MainJob;

/// <summary>Promise 7: NATS loses everything, the audit publishes it again, and nobody applies anything twice.</summary>
public class WipedNatsTests(PostgresFixture postgres)
{
    private const int Users = 20;

    [Fact]
    public async Task After_nats_lost_everything_subscribers_go_on_and_apply_nothing_twice()
    {
        await using var identity = await postgres.IdentityAsync();
        await using var target = await postgres.TargetAsync();
        await using var own = await postgres.EmptyAsync();
        await own.ExecuteAsync("CREATE TABLE welcome (who text)");
        await using var nats = new NatsServer();
        await nats.StartAsync();
        await using var server = new ServerProcess(
            ("DATABASE_URL", identity.ConnectionString), ("TARGET_DATABASE_URL", target.ConnectionString), ("NATS_URL", nats.Url), ("PASSWORD_LOG_N", "4"));
        await server.StartAsync();
        var builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddWatchwordSubscriber("email-service", s => s.Connect(nats.Url).ParkIn(own.Source).ExactlyOnce()
            .On<UserRegistered>((e, context, _) => context.Connection.ExecuteAsync("INSERT INTO welcome VALUES (@UserId)", new { e.Data.UserId }, context.Transaction)));
        using var host = builder.Build();
        await host.StartAsync(TestContext.Current.CancellationToken);

        async Task RegisterAsync(int count)
        {
            for (var i = 0; i < count; i++)
            {
                using var answer = await server.Http.PostAsJsonAsync("/auth/register", new { email = $"{Guid.NewGuid():N}@example.com", password = "password123", name = "A" });
                Assert.True(answer.IsSuccessStatusCode);
            }
        }
        Task WelcomedAsync(int count) => Eventually.TrueAsync(async () => await own.ScalarAsync<long>("SELECT count(*) FROM welcome") == count);

        await RegisterAsync(Users);
        await WelcomedAsync(Users);
        await nats.KillAsync();
        nats.LoseData();
        await RegisterAsync(Users);   // meanwhile
        await nats.StartAsync();
        await WelcomedAsync(2 * Users);

        // Every event is in the stream again, also those that nobody needed to apply.
        await using var reader = JetStreamClient.Connect(new() { Url = nats.Url });
        await reader.WaitUntilOpenAsync(default);
        await Eventually.TrueAsync(async () => (await reader.FindStreamAsync("auth-events"))!.State.Messages == 2 * Users
            && await reader.FindConsumerAsync("auth-events", "email-service") is { NumPending: 0, NumAckPending: 0 }
            && await reader.FindConsumerAsync("identity-changes", "user-sync") is { NumPending: 0, NumAckPending: 0 });
        Assert.Equal(2 * Users, await own.ScalarAsync<long>("SELECT count(DISTINCT who) FROM welcome"));
        Assert.Equal(2 * Users, await own.ScalarAsync<long>("SELECT count(*) FROM welcome"));
        Assert.Equal(2 * Users, await target.ScalarAsync<long>("SELECT count(*) FROM users"));
        await host.StopAsync(TestContext.Current.CancellationToken);
    }
}
