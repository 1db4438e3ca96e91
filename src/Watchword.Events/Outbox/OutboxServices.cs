using Microsoft.Extensions.DependencyInjection;
using Watchword.Events.Enrichment;

namespace Watchword.Events.Outbox;

/// <summary>Registers the outbox with a host.</summary>
public static class OutboxServices
{
    /// <summary>
    /// Adds the relay and its wake-ups. Needs an <c>NpgsqlDataSource</c>, a <c>JetStreamClient</c> and an
    /// <see cref="OutboxSignal"/>. Every registered <see cref="IEventEnricher"/> takes part.
    /// </summary>
    /// <param name="services">The host's.</param>
    /// <param name="options">How the relay works.</param>
    /// <param name="carry">Whether this process may lead; otherwise it only wakes the one that does.</param>
    public static IServiceCollection AddOutbox(this IServiceCollection services, RelayOptions options, bool carry)
    {
        services.AddSingleton(options);
        if (!carry)
            return services.AddHostedService<OutboxWaker>();
        services.AddSingleton<EventEnrichment>();
        services.AddSingleton<OutboxRelay>();
        services.AddHostedService(s => s.GetRequiredService<OutboxRelay>());
        return services.AddHostedService<OutboxMaintenance>();
    }
}
