using Microsoft.Extensions.Logging.Abstractions;
using Watchword.Events.Outbox;
using Watchword.Nats;

namespace Watchword.Tests.Events.Outbox;

/// <summary>A running relay on a test's own database and NATS account.</summary>
internal sealed class RelayHost : IAsyncDisposable
{
    private RelayHost(TestDatabase database, NatsConnection nats, RelayOptions options)
    {
        (Nats, JetStream) = (nats, new JetStream(nats));
        Relay = new(database.Source, nats, JetStream, Signal, options, NullLogger<OutboxRelay>.Instance);
    }

    public NatsConnection Nats { get; }
    public JetStream JetStream { get; }
    public OutboxSignal Signal { get; } = new();
    public OutboxRelay Relay { get; }

    public static async Task<RelayHost> StartAsync(TestDatabase database, NatsOptions nats, RelayOptions? options = null)
    {
        var connection = new NatsConnection(nats);
        connection.Start();
        var host = new RelayHost(database, connection, options ?? new() { RetryDelayMin = TimeSpan.FromMilliseconds(10), RetryDelayMax = TimeSpan.FromMilliseconds(100) });
        await host.Relay.StartAsync(default);
        return host;
    }

    public async ValueTask DisposeAsync()
    {
        await Relay.StopAsync(default);
        Relay.Dispose();
        await Nats.DisposeAsync();
    }
}
