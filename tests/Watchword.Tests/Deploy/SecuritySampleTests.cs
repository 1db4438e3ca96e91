using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Watchword.Events.JetStream;
using Watchword.Events.Postgres;
using Watchword.Samples.Subscribers;
using Watchword.Tests.Cli;

namespace Watchword.Tests.Deploy;

/// <summary>deploy/nats/nats-server.conf: the sample security, whose stream of alerts is made for it.</summary>
public class SecuritySampleTests(PostgresFixture postgres)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Without_its_stream_it_says_how_that_is_made_and_publishes_then()
    {
        await using var nats = await DeployedNats.WithStreamsAsync();
        await using var server = await nats.ConnectAsync("watchword");
        await server.DeleteStreamAsync("security-alerts");
        await using var database = await postgres.EmptyAsync();
        await MigrationRunner.ApplyAsync(database.Source,
            [MigrationSet.FromResources("sample-subscribers", typeof(SampleSettings).Assembly, "Watchword.Samples.Subscribers.Migrations")], NullLogger.Instance, Ct);
        await database.ExecuteAsync("INSERT INTO security.alert (id, kind, about, at, payload) VALUES (gen_random_uuid(), 'k', 'x', now(), '{}')");
        using var logs = new LogCapture();
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddLogging().AddSingleton<ILoggerFactory>(logs)
            .AddSingleton(_ => JetStreamClient.Connect(nats.Settings("security")));
        Security.Add(builder.Services, new() { Nats = new(), Database = "", MailFolder = "" }, database.Source);
        var host = builder.Build();
        await using var services = (IAsyncDisposable)host.Services;
        await host.StartAsync(Ct);
        Assert.Contains("stream security-alerts is missing, and this NATS user may not create it. Create it with: ./run stream create security-alerts",
            (await logs.LineAsync(2001)).Text, StringComparison.Ordinal);

        // As it says.
        var made = await CommandRun.RunAsync([("NATS_URL", nats.Url("watchword"))], "stream", "create", "security-alerts");
        Assert.Equal((0, ""), (made.ExitCode, made.Errors));
        await Eventually.TrueAsync(async () => await server.FindStreamAsync("security-alerts", Ct) is { State.Messages: 1 });
        await host.StopAsync(Ct);
    }
}
