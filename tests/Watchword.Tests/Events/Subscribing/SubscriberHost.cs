using System.Text;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using NATS.Client.Core;
using Watchword.Events;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;
using Watchword.Events.Subscribing;

namespace Watchword.Tests.Events.Subscribing;

/// <summary>A host with one subscriber on a stream of its own, and the other side of it.</summary>
internal sealed class SubscriberHost : IAsyncDisposable
{
    public const string Name = "email-service";

    private IHost? _host;
    private readonly bool _ownsDatabase;

    private SubscriberHost(NatsAccount account, JetStreamClient jetStream, TestDatabase? database, bool ownsDatabase) =>
        (Account, JetStream, Database, _ownsDatabase) = (account, jetStream, database!, ownsDatabase);

    public NatsAccount Account { get; }

    public JetStreamClient JetStream { get; }

    public TestDatabase Database { get; }

    public LogCapture Logs { get; } = new();

    public DeadLetters DeadLetters => new(Database.Source);

    /// <summary>Streams are there; the subscriber is not yet. A fan-out subscriber needs no database.</summary>
    public static async Task<SubscriberHost> CreateAsync(NatsFixture nats, TestDatabase? database = null, bool ownsDatabase = true, bool streams = true)
    {
        var account = nats.TakeAccount();
        var host = new SubscriberHost(account, await account.ConnectAsync(), database, ownsDatabase);
        if (streams)
            foreach (var stream in Streams.All)
                await host.JetStream.CreateStreamAsync(stream);
        return host;
    }

    /// <summary>Starts it.</summary>
    public async Task StartAsync(Action<SubscriberBuilder> configure, string name = Name, string? url = null, Action<IServiceCollection>? services = null)
    {
        var builder = Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddLogging().AddSingleton<ILoggerFactory>(Logs);
        services?.Invoke(builder.Services);
        builder.Services.AddWatchwordSubscriber(name, s =>
        {
            s.Connect(url ?? Account.Url).With(o => o with { Backoff = TimeSpan.FromMilliseconds(20), AckWait = TimeSpan.FromSeconds(2) });
            if (Database is not null)
                s.ParkIn(Database.Source);
            configure(s);
        });
        _host = builder.Build();
        await _host.StartAsync();
    }

    public async Task StopAsync()
    {
        if (_host is null)
            return;
        await _host.StopAsync();
        await ((IAsyncDisposable)_host).DisposeAsync();
        _host = null;
    }

    public async Task PublishAsync(string subject, string json, NatsHeaders? headers = null) => await JetStream.PublishAsync(subject, Encoding.UTF8.GetBytes(json), headers);

    /// <summary>A registration as the server publishes it.</summary>
    public Task RegisterAsync(string userId, string name = "Test User", string? eventId = null, string? origin = null)
    {
        eventId ??= Guid.CreateVersion7().ToString();
        var headers = new NatsHeaders();
        headers.Add(EventHeaders.MessageId, eventId);
        headers.Add(EventHeaders.EventId, eventId);
        headers.Add(EventHeaders.Key, Uri.EscapeDataString(userId));
        if (origin is not null)
            headers.Add(EventHeaders.Origin, origin);
        return PublishAsync("auth.user.registered", Registered(userId, name, eventId), headers);
    }

    public static string Registered(string userId, string name, string eventId = "e") => $$"""
        {"subject":"auth.user.registered","data":{"userId":"{{userId}}","email":"{{userId}}@example.com","name":"{{name}}","timestamp":"2026-01-01T00:00:00.000Z"},
         "metadata":{"service":"auth-service","version":"0.1.0","environment":"test","eventId":"{{eventId}}","correlationId":"c","schemaVersion":1} }
        """;

    /// <summary>Until everything published so far is answered.</summary>
    public Task SettledAsync(string stream = "auth-events", string name = Name) => Eventually.TrueAsync(async () =>
        await JetStream.FindConsumerAsync(stream, name) is { NumPending: 0, NumAckPending: 0 });

    public async ValueTask DisposeAsync()
    {
        await StopAsync();
        await JetStream.DisposeAsync();
        if (Database is not null && _ownsDatabase)
            await Database.DisposeAsync();
    }
}
