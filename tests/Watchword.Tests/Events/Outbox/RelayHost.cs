using Microsoft.Extensions.Logging;
using Watchword.Events.Enrichment;
using Watchword.Events.JetStream;
using Watchword.Events.Outbox;

namespace Watchword.Tests.Events.Outbox;

/// <summary>A running relay on a test's own database and NATS account.</summary>
internal sealed class RelayHost : IAsyncDisposable
{
    private readonly EventEnrichment _enrichment;

    private RelayHost(TestDatabase database, JetStreamClient jetStream, RelayOptions options, IEventEnricher[] enrichers)
    {
        JetStream = jetStream;
        _enrichment = new(options, enrichers, Logger<EventEnrichment>());
        Relay = new(database.Source, jetStream, Signal, options, Logger<OutboxRelay>(), _enrichment);
    }

    public JetStreamClient JetStream { get; }
    public OutboxSignal Signal { get; } = new();
    public OutboxRelay Relay { get; }

    public LogCapture Logs { get; } = new();

    /// <summary>As every relay of the tests works.</summary>
    public static RelayOptions Options { get; } = new() { RetryDelayMin = TimeSpan.FromMilliseconds(10), RetryDelayMax = TimeSpan.FromMilliseconds(100) };

    public static async Task<RelayHost> StartAsync(TestDatabase database, NatsSettings nats, RelayOptions? options = null, params IEventEnricher[] enrichers)
    {
        var host = new RelayHost(database, JetStreamClient.Connect(nats), options ?? Options, enrichers);
        await host.Relay.StartAsync(default);
        return host;
    }

    public async ValueTask DisposeAsync()
    {
        await Relay.StopAsync(default);
        Relay.Dispose();
        _enrichment.Dispose();
        await JetStream.DisposeAsync();
        Logs.Dispose();
    }

    private ILogger<T> Logger<T>() => LoggerFactoryExtensions.CreateLogger<T>(Logs);
}
