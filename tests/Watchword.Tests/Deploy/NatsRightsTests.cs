using System.Collections.Concurrent;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Watchword.Events;
using Watchword.Events.Contracts;
using Watchword.Events.Subscribing;
using Watchword.Nats;
using Watchword.Tests.Cli;
using Watchword.Tests.Events.Subscribing;

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
        var jetStream = new JetStream(connection);
        await Eventually.TrueAsync(async () => (await jetStream.FindStreamAsync("auth-events", Ct))!.State.Messages == 1);
        var consumers = new List<string>();
        await foreach (var consumer in jetStream.ListConsumersAsync("identity-changes", Ct))
            consumers.Add(consumer.Name);
        Assert.Equal(["user-sync"], consumers);
        await RefusesAsync(connection, "auth.user.registered", "$JS.API.CONSUMER.MSG.NEXT.identity-changes.user-sync", "$JS.API.CONSUMER.CREATE.identity-changes.mine",
            "$JS.API.STREAM.DELETE.auth-events", "$JS.API.CONSUMER.DELETE.identity-changes.user-sync", "$JS.ACK.identity-changes.user-sync.1.1.1.1.0");
    }

    [Fact]
    public async Task A_subscriber_reads_its_own_durable_sets_aside_what_fails_and_can_do_nothing_else()
    {
        await using var nats = await WithStreamsAsync();
        var handled = new ConcurrentQueue<string>();
        using var logs = new LogCapture();
        using var host = Subscriber(nats, handled, logs);
        await host.StartAsync(Ct);
        Assert.Contains("filter none instead of auth.user.registered", (await logs.LineAsync(2210)).Text, StringComparison.Ordinal);
        await PublishAsync(nats, "good", "bad", "good2");
        await Eventually.TrueAsync(() => handled.Count == 2);
        await using var server = await nats.ConnectAsync("watchword");
        var jetStream = new JetStream(server);
        await Eventually.TrueAsync(async () => await jetStream.FindConsumerAsync("auth-events", "email-service", Ct) is { AckPending: 0, Pending: 0 });
        Assert.Equal("dlq.email-service", (await jetStream.GetMessageAsync("dead-letters", 1, Ct))!.Subject);
        await host.StopAsync(Ct);

        await using var connection = await nats.ConnectAsync("email-service");
        await RefusesAsync(connection, RefusedToAConsumer);
        foreach (var subject in (string[])["auth.user.registered", "_INBOX.>", "_INBOX.analytics.>", ">"])
        {
            await using var subscription = await connection.SubscribeAsync(subject, ct: Ct);
            await Assert.ThrowsAsync<NatsPermissionException>(async () => await subscription.WaitToReadAsync(Ct));
        }
        Assert.Equal(3UL, (await jetStream.FindStreamAsync("auth-events", Ct))!.State.Messages);
    }

    [Fact]
    public async Task A_subscriber_without_a_durable_says_how_it_is_made_and_reads_it_then()
    {
        await using var nats = await WithStreamsAsync();
        await using var server = await nats.ConnectAsync("watchword");
        var jetStream = new JetStream(server);
        await jetStream.DeleteConsumerAsync("auth-events", "email-service", Ct);
        await PublishAsync(nats, "good");
        var handled = new ConcurrentQueue<string>();
        using var logs = new LogCapture();
        using var host = Subscriber(nats, handled, logs);
        await host.StartAsync(Ct);
        var told = (await logs.LineAsync(2001)).Text;
        Assert.Contains("./run consumer create email-service --stream auth-events --filter 'auth.user.registered'", told, StringComparison.Ordinal);

        // As it says.
        string[] create = ["consumer", "create", "email-service", "--stream", "auth-events", "--filter", "auth.user.registered"];
        var made = await CommandRun.RunAsync([("NATS_URL", nats.Url("watchword"))], create);
        Assert.Equal((0, "Consumer email-service of auth-events was made; 1 event waits for it.\n"), (made.ExitCode, made.Output));
        await Eventually.TrueAsync(() => handled.SequenceEqual(["good"]));
        var again = await CommandRun.RunAsync([("NATS_URL", nats.Url("watchword"))], create);
        Assert.Equal((1, "Stream auth-events has a consumer email-service already, which reads auth.user.registered: it was left as it is.\n"), (again.ExitCode, again.Errors));
    }

    [Fact]
    public async Task After_a_crash_the_order_holds_without_the_right_to_shorten_the_wait()
    {
        await using var nats = await WithStreamsAsync();
        await using var server = await nats.ConnectAsync("watchword");
        var jetStream = new JetStream(server);
        await jetStream.DeleteConsumerAsync("auth-events", "email-service", Ct);
        await jetStream.CreateConsumerAsync("auth-events", new SubscriberOptions { AckWait = TimeSpan.FromSeconds(3) }.Consumer("email-service", null), Ct);
        var oneKey = new NatsHeaders();
        oneKey.Add(EventHeaders.Key, "u");
        await PublishAsync(nats, oneKey, ["1", "2"]);
        Assert.Single(await jetStream.FetchAsync("auth-events", "email-service", 1, TimeSpan.FromSeconds(5), Ct));   // by a process that died with it
        await using var database = await postgres.EmptyAsync();
        var handled = new ConcurrentQueue<string>();
        using var logs = new LogCapture();
        using var host = Subscriber(nats, handled, logs, database);
        await host.StartAsync(Ct);
        await Eventually.TrueAsync(() => handled.Count == 2);
        Assert.Equal(["1", "2"], handled);
        Assert.Empty(logs.Of(2208));
        await host.StopAsync(Ct);
    }

    [Fact]
    public async Task The_official_client_reads_and_acks_its_own_durable_and_can_do_nothing_else()
    {
        await using var nats = await WithStreamsAsync();
        await PublishAsync(nats, "a", "b");
        var result = JsonDocument.Parse(await Node.RunAsync("permissions.mjs", JsonSerializer.Serialize(new
        {
            nats = nats.Url("email-service"),
            inbox = "_INBOX.email-service",
            stream = "auth-events",
            durable = "email-service",
            count = 2,
            refused = RefusedToAConsumer,
        }))).RootElement;
        Assert.Equal([1, 2], result.GetProperty("read").EnumerateArray().Select(s => s.GetInt32()));
        Assert.All(RefusedToAConsumer, s => Assert.Equal("PERMISSIONS_VIOLATION", result.GetProperty("refused").GetProperty(s).GetString()));

        await using var server = await nats.ConnectAsync("watchword");
        Assert.Equal((0, 0UL), await new JetStream(server).FindConsumerAsync("auth-events", "email-service", Ct) is { } info ? (info.AckPending, info.Pending) : (-1, 0UL));
        Assert.Equal(1UL + 1, (await new JetStream(server).FindConsumerAsync("auth-events", "analytics", Ct))!.Pending);
    }

    [Fact]
    public async Task A_fan_out_reader_reads_by_itself_and_cannot_touch_a_durable()
    {
        await using var nats = await WithStreamsAsync();
        await PublishAsync(nats, "a");
        await using var connection = await nats.ConnectAsync("fan-out");
        await using (var reader = await new JetStream(connection).OrderedConsumeAsync("auth-events", ct: Ct))
        {
            Assert.True(await reader.WaitToReadAsync(Ct));
            Assert.True(reader.TryRead(out var message) && message.Subject == "auth.user.registered");
        }
        await RefusesAsync(connection, [.. from durable in (string[])["email-service", "analytics", "security", "audit-log", "user-sync"]
                                           from call in (string[])["MSG.NEXT", "DELETE", "CREATE", "INFO"]
                                           select $"$JS.API.CONSUMER.{call}.auth-events.{durable}"]);
        await RefusesAsync(connection, "auth.user.registered", "$JS.ACK.auth-events.email-service.1.1.1.1.0", "$JS.API.CONSUMER.CREATE.auth-events.email-service.auth.user.registered", "$JS.API.CONSUMER.DURABLE.CREATE.auth-events.email-service", "$JS.API.STREAM.DELETE.auth-events");

        // What the README says that this does not prevent: it holds until rights can tell the two kinds apart.
        var made = await new JetStream(connection).CreateConsumerAsync("auth-events", new SubscriberOptions().Consumer("of-its-own", null), Ct);
        Assert.Equal("of-its-own", made.Config.DurableName);
    }

    [Fact]
    public async Task The_security_service_may_raise_alerts_and_make_their_stream()
    {
        await using var nats = await WithStreamsAsync();
        await using var connection = await nats.ConnectAsync("security");
        var jetStream = new JetStream(connection);
        await jetStream.CreateStreamAsync(Watchword.Events.Contracts.Streams.SecurityAlerts, Ct);
        Assert.Equal(1UL, (await jetStream.PublishAsync("security.alert", "{}"u8.ToArray(), ct: Ct)).Sequence);
        await RefusesAsync(connection, "auth.user.logged_in", "$JS.API.STREAM.DELETE.security-alerts", "$JS.API.CONSUMER.MSG.NEXT.auth-events.email-service");
    }

    [Fact]
    public void Every_user_is_told_of_in_the_readme()
    {
        var readme = File.ReadAllText(Path.Combine(Repository.Root, "deploy", "nats", "README.md"));
        Assert.All(DeployedNats.Users, user => Assert.Contains($"`{user}`", readme, StringComparison.Ordinal));
    }

    private static async Task RefusesAsync(NatsConnection connection, params string[] subjects)
    {
        foreach (var subject in subjects)
        {
            var refused = await Assert.ThrowsAsync<NatsPermissionException>(async () => await connection.RequestAsync(subject, "{}"u8.ToArray(), ct: Ct));
            Assert.Contains(subject, refused.Message, StringComparison.Ordinal);
        }
    }

    private static async Task<DeployedNats> WithStreamsAsync()
    {
        var nats = await DeployedNats.StartAsync();
        await using var server = await nats.ConnectAsync("watchword");
        var jetStream = new JetStream(server);
        foreach (var stream in Streams.All)
            await jetStream.CreateStreamAsync(stream, Ct);
        foreach (var durable in (string[])["email-service", "analytics", "security", "audit-log", "user-sync"])
            await jetStream.CreateConsumerAsync("auth-events", new SubscriberOptions().Consumer(durable, null), Ct);
        return nats;
    }

    private static Task PublishAsync(DeployedNats nats, params string[] users) => PublishAsync(nats, null, users);

    private static async Task PublishAsync(DeployedNats nats, NatsHeaders? headers, string[] users)
    {
        await using var server = await nats.ConnectAsync("watchword");
        foreach (var user in users)
            await new JetStream(server).PublishAsync("auth.user.registered", Encoding.UTF8.GetBytes(SubscriberHost.Registered(user, "Test", user)), headers, ct: Ct);
    }

    private static IHost Subscriber(DeployedNats nats, ConcurrentQueue<string> handled, LogCapture logs, TestDatabase? database = null)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddLogging().AddSingleton<ILoggerFactory>(logs);
        builder.Services.AddWatchwordSubscriber("email-service", s =>
        {
            s.Connect(nats.Options("email-service")).With(o => o with { MaxDeliver = 2, Backoff = TimeSpan.FromMilliseconds(20) });
            if (database is not null)
                s.ParkIn(database.Source);
            s.On<UserRegistered>(e =>
            {
                if (e.Data.UserId == "bad")
                    throw new InvalidOperationException("no");
                handled.Enqueue(e.Data.UserId);
                return Task.CompletedTask;
            });
        });
        return builder.Build();
    }
}
