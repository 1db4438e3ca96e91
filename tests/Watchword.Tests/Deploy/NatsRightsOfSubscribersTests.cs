using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using NATS.Client.Core;
using Watchword.Events;
using Watchword.Events.Contracts;
using Watchword.Events.Subscribing;
using Watchword.Tests.Cli;

namespace Watchword.Tests.Deploy;

/// <summary>deploy/nats/nats-server.conf: a subscriber has what it needs, although it may not make or change its durable.</summary>
public class NatsRightsOfSubscribersTests(PostgresFixture postgres)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_consumer_answers_its_events_in_every_way()
    {
        await using var nats = await DeployedNats.WithStreamsAsync();
        await nats.PublishAsync("acked", "again", "never");
        await using var connection = await nats.ConnectAsync("email-service");
        var read = await connection.FetchAsync("auth-events", "email-service", 3, TimeSpan.FromSeconds(5));
        await read[0].AckProgressAsync(cancellationToken: Ct);
        await read[0].AckConfirmedAsync();
        await read[1].NakAsync(cancellationToken: Ct);
        await read[2].AckTerminateAsync(cancellationToken: Ct);
        var again = Assert.Single(await connection.FetchAsync("auth-events", "email-service", 1, TimeSpan.FromSeconds(5)));
        Assert.Equal((2UL, 2UL), (again.Metadata!.Value.Sequence.Stream, again.Metadata.Value.NumDelivered));
        await again.AckConfirmedAsync();
        Assert.True(await connection.FindConsumerAsync("auth-events", "email-service", Ct) is { NumAckPending: 0, NumPending: 0 });
        Assert.Empty(await connection.FetchAsync("auth-events", "email-service", 1));
        Assert.Equal("dead-letters", (await connection.PublishAsync("dlq.email-service", "{}"u8.ToArray())).Stream);
    }

    [Fact]
    public async Task A_sign_of_life_keeps_an_event()
    {
        await using var nats = await DeployedNats.WithStreamsAsync();
        await using (var server = await nats.ConnectAsync("watchword"))
        {
            await server.DeleteConsumerAsync("auth-events", "email-service");
            await server.CreateConsumerAsync("auth-events", new SubscriberOptions { AckWait = TimeSpan.FromSeconds(1) }.Consumer("email-service", null), Ct);
        }
        await nats.PublishAsync("slow");
        await using var connection = await nats.ConnectAsync("email-service");
        var slow = Assert.Single(await connection.FetchAsync("auth-events", "email-service", 1, TimeSpan.FromSeconds(5)));
        var since = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(since) < TimeSpan.FromSeconds(2))   // twice the ack wait
        {
            await slow.AckProgressAsync(cancellationToken: Ct);
            Assert.Empty(await connection.FetchAsync("auth-events", "email-service", 1));
        }
        await slow.AckConfirmedAsync();
    }

    [Fact]
    public async Task A_subscriber_reads_its_own_durable_and_sets_aside_what_fails()
    {
        await using var nats = await DeployedNats.WithStreamsAsync();
        await using var server = await nats.ConnectAsync("watchword");
        var handled = new ConcurrentQueue<string>();
        using var logs = new LogCapture();
        await using var database = await postgres.EmptyAsync();
        using var host = Subscriber(nats, handled, logs, database);
        await host.StartAsync(Ct);
        Assert.Contains("filter none instead of auth.user.registered", (await logs.LineAsync(2210)).Text, StringComparison.Ordinal);
        await nats.PublishAsync("good", "bad", "good2");
        await Eventually.TrueAsync(() => handled.Count == 2);
        await Eventually.TrueAsync(async () => await server.FindConsumerAsync("auth-events", "email-service", Ct) is { NumAckPending: 0, NumPending: 0 });
        await Eventually.TrueAsync(async () => await server.GetMessageAsync("dead-letters", 1) is { Subject: "dlq.email-service" });
        await host.StopAsync(Ct);
    }

    [Fact]
    public async Task A_subscriber_without_a_durable_says_how_it_is_made_and_reads_it_then()
    {
        await using var nats = await DeployedNats.WithStreamsAsync();
        await using var server = await nats.ConnectAsync("watchword");
        await server.DeleteConsumerAsync("auth-events", "email-service");
        await nats.PublishAsync("good");
        var handled = new ConcurrentQueue<string>();
        using var logs = new LogCapture();
        await using var database = await postgres.EmptyAsync();
        using var host = Subscriber(nats, handled, logs, database);
        await host.StartAsync(Ct);
        var told = (await logs.LineAsync(2001)).Text;
        Assert.Contains("./run consumer create email-service --stream auth-events --filter 'auth.user.registered'", told, StringComparison.Ordinal);

        // As it says.
        string[] create = ["consumer", "create", "email-service", "--stream", "auth-events", "--filter", "auth.user.registered"];
        var made = await CommandRun.RunAsync([("NATS_URL", nats.Url("watchword"))], create);
        Assert.Equal((0, "Consumer email-service of auth-events was made; 1 event waits for it.\n"), (made.ExitCode, made.Output));
        await Eventually.TrueAsync(() => handled.SequenceEqual(["good"]));
        var again = await CommandRun.RunAsync([("NATS_URL", nats.Url("watchword"))], create);
        Assert.Equal((1, "Stream auth-events already has a consumer email-service, which reads auth.user.registered. It was not changed.\n"), (again.ExitCode, again.Errors));
    }

    [Fact]
    public async Task After_a_crash_the_order_holds_without_the_right_to_shorten_the_wait()
    {
        await using var nats = await DeployedNats.WithStreamsAsync();
        await using var server = await nats.ConnectAsync("watchword");
        await server.DeleteConsumerAsync("auth-events", "email-service");
        await server.CreateConsumerAsync("auth-events", new SubscriberOptions { AckWait = TimeSpan.FromSeconds(3) }.Consumer("email-service", null), Ct);
        var oneKey = new NatsHeaders();
        oneKey.Add(EventHeaders.Key, "u");
        await nats.PublishAsync(oneKey, ["1", "2"]);
        Assert.Single(await server.FetchAsync("auth-events", "email-service", 1, TimeSpan.FromSeconds(5)));   // by a process that died with it
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

    private static IHost Subscriber(DeployedNats nats, ConcurrentQueue<string> handled, LogCapture logs, TestDatabase database)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddLogging().AddSingleton<ILoggerFactory>(logs);
        builder.Services.AddWatchwordSubscriber("email-service", s =>
        {
            s.Connect(nats.Settings("email-service")).ParkIn(database.Source).With(o => o with { MaxDeliver = 2, Backoff = TimeSpan.FromMilliseconds(20) });
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
