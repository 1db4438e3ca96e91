using System.Globalization;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using NATS.Client.Core;
using Npgsql;
using Watchword.Auditing;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;
using Watchword.Events.Postgres;
using Watchword.Samples.Subscribers;

namespace Watchword.Tests.Samples;

/// <summary>One sample subscriber in this process, on a stream of its own, with low thresholds.</summary>
internal sealed class SampleHost : IAsyncDisposable
{
    /// <summary>A past day within every retention.</summary>
    public static readonly DateTime Day = DateTime.UtcNow.Date.AddDays(-2);

    private readonly IHost _host;

    private SampleHost(IHost host, JetStreamClient jetStream, TestDatabase database, LogCapture logs) => (_host, JetStream, Database, Logs) = (host, jetStream, database, logs);

    public JetStreamClient JetStream { get; }

    public TestDatabase Database { get; }

    public LogCapture Logs { get; }

    /// <param name="postgres">Creates its database.</param>
    /// <param name="nats">Gives it an account of its own.</param>
    /// <param name="add">Registers the subscriber.</param>
    /// <param name="found">SQL that is run before the start: rows of an earlier run.</param>
    public static async Task<SampleHost> StartAsync(
        PostgresFixture postgres, NatsFixture nats, Action<IServiceCollection, SampleSettings, NpgsqlDataSource> add, string? found = null)
    {
        var database = await postgres.EmptyAsync();
        await MigrationRunner.ApplyAsync(database.Source,
            [AuditLogSchema.Migrations, MigrationSet.FromResources("sample-subscribers", typeof(SampleSettings).Assembly, "Watchword.Samples.Subscribers.Migrations")], NullLogger.Instance);
        if (found is not null)
            await database.ExecuteAsync(found);
        var jetStream = await nats.TakeAccount().ConnectAsync();
        foreach (var stream in Streams.All)
            await jetStream.CreateStreamAsync(stream);
        var builder = Host.CreateEmptyApplicationBuilder(null);
        var logs = new LogCapture();
        builder.Services.AddLogging().AddSingleton<ILoggerFactory>(logs).AddSingleton(jetStream);
        add(builder.Services, new() { Nats = new(), Database = "", MailFolder = "", BruteForceUsers = 3, LoginFailures = 4, RefreshesPerMinute = 3 }, database.Source);
        var host = builder.Build();
        await host.StartAsync();
        return new(host, jetStream, database, logs);
    }

    /// <summary>Publishes an auth event with a time on <see cref="Day"/>.</summary>
    public async Task PublishAsync(string kind, string user, int second = 0, string ip = "203.0.113.7", string userAgent = "Firefox/1", bool replayed = false, string? id = null)
    {
        var at = Day.AddSeconds(second).ToString("yyyy-MM-ddTHH:mm:ss.fffZ", CultureInfo.InvariantCulture);
        var headers = new NatsHeaders();
        id ??= Guid.CreateVersion7().ToString();
        headers.Add(EventHeaders.EventId, id);
        headers.Add(EventHeaders.Key, user);
        headers.Add(EventHeaders.CorrelationId, "c-" + user);
        if (replayed)
            headers.Add(EventHeaders.Replay, "r");
        await JetStream.PublishAsync("auth.user." + kind, Encoding.UTF8.GetBytes($$"""
            {"subject":"auth.user.{{kind}}","data":{"userId":"{{user}}","email":"{{user}}@example.com","name":"N","timestamp":"{{at}}","ip":"{{ip}}","userAgent":"{{userAgent}}","reason":"wrong_password"},"metadata":{"service":"auth-service","version":"1.0.0","environment":"test","eventId":"{{id}}","correlationId":"c-{{user}}","schemaVersion":1} }
            """), headers);
    }

    /// <summary>The alerts in the stream, after every event is handled and every alert published.</summary>
    public async Task<List<JsonElement>> AlertsAsync()
    {
        await SettledAsync(Security.Name);
        await Eventually.TrueAsync(async () => await Database.ScalarAsync<long>("SELECT count(*) FROM security.alert WHERE published_at IS NULL AND skipped_at IS NULL") == 0);
        List<JsonElement> alerts = [];
        foreach (var message in await JetStream.ReadAllAsync("security-alerts"))
            alerts.Add(JsonDocument.Parse(message.Payload).RootElement);
        return alerts;
    }

    public Task SettledAsync(string name) => Eventually.TrueAsync(async () => await JetStream.FindConsumerAsync("auth-events", name) is { NumPending: 0, NumAckPending: 0 });

    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync();
        await ((IAsyncDisposable)_host).DisposeAsync();
        await JetStream.DisposeAsync();
        await Database.DisposeAsync();
        Logs.Dispose();
    }
}
