using System.Text.Json;
using NATS.Client.Core;
using Watchword.Events.JetStream;
using Watchword.Events.Subscribing;

namespace Watchword.Tests.Deploy;

/// <summary>deploy/nats/nats-server.conf: each user can do its work, and nothing that would harm another's.</summary>
public class NatsRightsTests(PostgresFixture postgres)
{
    private static readonly string[] RefusedToAConsumer =
    [
        "auth.user.registered", "user.sync", "dlq.analytics", "security.alert",
        "$JS.API.STREAM.DELETE.auth-events", "$JS.API.STREAM.PURGE.auth-events", "$JS.API.STREAM.UPDATE.auth-events", "$JS.API.STREAM.CREATE.mine",
        "$JS.API.STREAM.MSG.DELETE.auth-events", "$JS.API.STREAM.INFO.identity-changes",
        "$JS.API.CONSUMER.MSG.NEXT.auth-events.analytics", "$JS.API.CONSUMER.DELETE.auth-events.analytics", "$JS.API.CONSUMER.DELETE.auth-events.email-service",
        "$JS.API.CONSUMER.CREATE.auth-events.email-service", "$JS.API.CONSUMER.CREATE.auth-events.email-service.auth.user.registered",
        "$JS.API.CONSUMER.CREATE.auth-events.mine", "$JS.API.CONSUMER.CREATE.auth-events", "$JS.API.CONSUMER.DURABLE.CREATE.auth-events.email-service",
        "$JS.API.CONSUMER.CREATE.auth-events.analytics", "$JS.API.CONSUMER.DURABLE.CREATE.auth-events.analytics", "$JS.API.CONSUMER.INFO.auth-events.analytics",
        "$JS.ACK.auth-events.analytics.1.1.1.1.0",
    ];

    // Nobody there, or plainly not allowed.
    private static readonly string[] Refusals = ["503", "PERMISSIONS_VIOLATION"];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_server_makes_its_streams_and_publishes()
    {
        await using var nats = await DeployedNats.StartAsync();
        await using var identity = await postgres.IdentityAsync();
        await using var target = await postgres.TargetAsync();
        await using var server = new ServerProcess(
            ("DATABASE_URL", identity.ConnectionString), ("TARGET_DATABASE_URL", target.ConnectionString), ("NATS_URL", nats.Url("watchword")));
        await server.StartAsync();
        await identity.ExecuteAsync("""INSERT INTO "user" (id, name, email, "emailVerified") VALUES ('u1', 'Ada', 'ada@example.com', true)""");
        await Eventually.TrueAsync(async () => (await target.QueryAsync<string>("SELECT name FROM users")) is ["Ada"]);

        // Somebody who only looks sees it.
        await using var connection = await nats.ConnectAsync("operator");
        await Eventually.TrueAsync(async () => (await connection.FindStreamAsync("auth-events", Ct))!.State.Messages == 1);
        Assert.Equal(["user-sync"], (await connection.ListConsumersAsync("identity-changes", Ct)).Select(c => c.Name).Where(n => !n!.StartsWith("read-", StringComparison.Ordinal)));   // the relay reads the stream's end
        await RefusesAsync(connection, "auth.user.registered", "$JS.API.CONSUMER.MSG.NEXT.identity-changes.user-sync", "$JS.API.CONSUMER.CREATE.identity-changes.mine",
            "$JS.API.STREAM.DELETE.auth-events", "$JS.API.CONSUMER.DELETE.identity-changes.user-sync", "$JS.ACK.identity-changes.user-sync.1.1.1.1.0");
    }

    [Fact]
    public async Task A_consumer_can_do_nothing_but_its_work()
    {
        await using var nats = await DeployedNats.WithStreamsAsync();
        await nats.PublishAsync("a", "b");
        await using var connection = await nats.ConnectAsync("email-service");
        await RefusesAsync(connection, RefusedToAConsumer);

        await using var server = await nats.ConnectAsync("watchword");
        Assert.Equal(2, (await server.FindStreamAsync("auth-events", Ct))!.State.Messages);
        foreach (var durable in DeployedNats.Durables)
            Assert.Equal(2UL, (await server.FindConsumerAsync("auth-events", durable, Ct))!.NumPending);
    }

    [Fact]
    public async Task Nobody_sees_what_goes_on_in_another_account()
    {
        await using var nats = await DeployedNats.WithStreamsAsync();
        await using var connection = await nats.ConnectAsync("email-service");
        await using var all = await connection.Connection.SubscribeCoreAsync<byte[]>(">", cancellationToken: Ct);
        await connection.Connection.PingAsync(Ct);
        await nats.PublishAsync("a");
        await using (var other = await nats.ConnectAsync("analytics"))
            await Assert.Single(await other.FetchAsync("auth-events", "analytics", 1, TimeSpan.FromSeconds(5))).AckConfirmedAsync();
        await connection.Connection.PublishAsync("of.its.own", cancellationToken: Ct);
        Assert.Equal("of.its.own", (await all.Msgs.ReadAsync(Ct)).Subject);
    }

    [Fact]
    public async Task The_official_client_reads_answers_and_sets_aside_and_can_do_nothing_else()
    {
        await using var nats = await DeployedNats.WithStreamsAsync();
        await nats.PublishAsync("acked", "again", "never");
        var result = JsonDocument.Parse(await Node.RunAsync("../Watchword.Tests/Deploy/consumer.mjs", JsonSerializer.Serialize(new
        {
            nats = nats.Url("email-service"),
            stream = "auth-events",
            durable = "email-service",
            refused = RefusedToAConsumer,
        }))).RootElement;
        Assert.Equal(["1 1", "2 1", "3 1", "2 2"], result.GetProperty("read").EnumerateArray().Select(s => s.GetString()));
        Assert.Equal((0, 0, 1), (result.GetProperty("pending").GetInt32(), result.GetProperty("ackPending").GetInt32(), result.GetProperty("deadLetter").GetInt32()));
        Assert.All(RefusedToAConsumer, s => Assert.Contains(result.GetProperty("refused").GetProperty(s).GetString(), Refusals));

        await using var server = await nats.ConnectAsync("watchword");
        Assert.Equal("dlq.email-service", (await server.GetMessageAsync("dead-letters", 1))!.Subject);
        Assert.Equal(3UL, (await server.FindConsumerAsync("auth-events", "analytics", Ct))!.NumPending);
    }

    [Fact]
    public async Task A_fan_out_reader_reads_by_itself_and_cannot_touch_a_durable()
    {
        await using var nats = await DeployedNats.WithStreamsAsync();
        await nats.PublishAsync("a");
        await using var connection = await nats.ConnectAsync("fan-out");
        Assert.Equal("auth.user.registered", (await connection.TailAsync("auth-events", Ct).FirstAsync(Ct)).Subject);
        await RefusesAsync(connection, [.. from durable in DeployedNats.Durables
                                           from call in (string[])["MSG.NEXT", "DELETE", "CREATE", "INFO"]
                                           select $"$JS.API.CONSUMER.{call}.auth-events.{durable}"]);
        await RefusesAsync(connection, "auth.user.registered", "$JS.ACK.auth-events.email-service.1.1.1.1.0", "$JS.API.CONSUMER.CREATE.auth-events.email-service.auth.user.registered", "$JS.API.CONSUMER.DURABLE.CREATE.auth-events.email-service", "$JS.API.STREAM.DELETE.auth-events");

        // What the README says that this does not prevent: it holds until rights can tell the two kinds apart.
        var made = await connection.CreateConsumerAsync("auth-events", new SubscriberOptions().Consumer("of-its-own", null), Ct);
        Assert.Equal("of-its-own", made.Config.DurableName);
    }

    [Fact]
    public async Task A_fan_out_reader_says_where_its_consumers_deliver_and_is_to_be_trusted_for_that()
    {
        await using var nats = await DeployedNats.WithStreamsAsync();
        await nats.PublishAsync("a");
        await using var connection = await nats.ConnectAsync("fan-out");
        await connection.RequestAsync("$JS.API.CONSUMER.CREATE.auth-events.push",
            """{"stream_name":"auth-events","config":{"name":"push","deliver_subject":"user.sync","ack_policy":"none"}}"""u8.ToArray());
        await using var server = await nats.ConnectAsync("watchword");
        await Eventually.TrueAsync(async () => (await server.FindStreamAsync("identity-changes", Ct))!.State.Messages == 1);
    }

    [Fact]
    public async Task The_security_service_may_raise_alerts()
    {
        await using var nats = await DeployedNats.WithStreamsAsync();
        await using var connection = await nats.ConnectAsync("security");
        Assert.Equal(1UL, (await connection.PublishAsync("security.alert", "{}"u8.ToArray())).Seq);
        Assert.Equal(1, (await connection.FindStreamAsync("security-alerts", Ct))!.State.Messages);
        await RefusesAsync(connection, "auth.user.logged_in", "$JS.API.STREAM.CREATE.security-alerts", "$JS.API.STREAM.DELETE.security-alerts", "$JS.API.CONSUMER.MSG.NEXT.auth-events.email-service");
    }

    [Fact]
    public void Every_user_is_told_of_in_the_readme()
    {
        var readme = File.ReadAllText(Path.Combine(Repository.Root, "deploy", "nats", "README.md"));
        Assert.All(DeployedNats.Users, user => Assert.Contains($"`{user}`", readme, StringComparison.Ordinal));
    }

    private static async Task RefusesAsync(JetStreamClient connection, params string[] subjects)
    {
        foreach (var subject in subjects)
        {
            var refused = await Assert.ThrowsAnyAsync<NatsException>(async () => await connection.RequestAsync(subject, "{}"u8.ToArray()));
            Assert.True(refused is NatsDeniedException || refused.InnerException is NatsNoRespondersException, $"{subject}: {refused}");
        }
    }
}
