using Microsoft.Extensions.Logging;
using Watchword.Events.Enrichment;
using Watchword.Events.Outbox;
using Watchword.Nats;

namespace Watchword.Tests.Events.Outbox;

/// <summary>A running relay on a test's own database and NATS account.</summary>
internal sealed class RelayHost : IAsyncDisposable
{
    private readonly EventEnrichment _enrichment;

    private RelayHost(TestDatabase database, NatsConnection nats, RelayOptions options, IEventEnricher[] enrichers)
    {
        (Nats, JetStream) = (nats, new JetStream(nats));
        _enrichment = new(options, enrichers, Logger<EventEnrichment>());
        Relay = new(database.Source, nats, JetStream, Signal, options, Logger<OutboxRelay>(), _enrichment);
    }

    public NatsConnection Nats { get; }
    public JetStream JetStream { get; }
    public OutboxSignal Signal { get; } = new();
    public OutboxRelay Relay { get; }

    public LogCapture Logs { get; } = new();

    /// <summary>As every relay of the tests works.</summary>
    public static RelayOptions Options { get; } = new() { RetryDelayMin = TimeSpan.FromMilliseconds(10), RetryDelayMax = TimeSpan.FromMilliseconds(100) };

    public static async Task<RelayHost> StartAsync(TestDatabase database, NatsOptions nats, RelayOptions? options = null, params IEventEnricher[] enrichers)
    {
        var connection = new NatsConnection(nats);
        connection.Start();
        var host = new RelayHost(database, connection, options ?? Options, enrichers);
        await host.Relay.StartAsync(default);
        return host;
    }

    public async ValueTask DisposeAsync()
    {
        await Relay.StopAsync(default);
        Relay.Dispose();
        _enrichment.Dispose();
        await Nats.DisposeAsync();
        Logs.Dispose();
    }

    private ILogger<T> Logger<T>() => LoggerFactoryExtensions.CreateLogger<T>(Logs);
}
