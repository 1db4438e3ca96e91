using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using NATS.Client.Core;
using Watchword.Events.JetStream;
using Watchword.Events.Subscribing;

namespace Watchword.Events;

/// <summary>Registers subscribers with a host.</summary>
public static class SubscriberServices
{
    /// <summary>
    /// Handles events in the background, from where the subscriber stopped last. Each key's events are handled in order,
    /// keys side by side. An event that cannot be handled is parked with the later events of its key; everything else
    /// flows on.
    /// </summary>
    /// <param name="services">The host's.</param>
    /// <param name="name">The name of the durable consumer; processes of one name stand in for each other.</param>
    /// <param name="configure">What it handles, and how.</param>
    /// <exception cref="ArgumentException">Names everything that is wrong with it.</exception>
    public static IServiceCollection AddWatchwordSubscriber(this IServiceCollection services, string name, Action<SubscriberBuilder> configure)
    {
        var subscriber = new SubscriberBuilder();
        configure(subscriber);
        subscriber.Validate(name);
        if (services.Any(s => s.ImplementationInstance is RegisteredSubscriber other && other.Name == name))
            throw new ArgumentException($"subscriber {name} is registered already, and the second would only stand by. Choose another name, or give one subscriber both handlers", nameof(name));
        services.AddSingleton(new RegisteredSubscriber(name));
        services.TryAddSingleton<WorkGate>();   // one for all of a process: they live and die together
        services.AddJetStreamClient();
        return services.AddSingleton<IHostedService>(host =>
        {
            var logs = host.GetRequiredService<ILoggerFactory>();
            var own = subscriber.Nats is { } nats ? JetStreamClient.Connect(nats with { Name = name }, logs) : null;
            var jetStream = own ?? host.GetRequiredService<JetStreamClient>();
            return subscriber.IsFanOut
                ? new FanOutSubscriber(name, subscriber, jetStream, own is not null, host, logs.CreateLogger<FanOutSubscriber>())
                : new Subscriber(name, subscriber, jetStream, own is not null, host.GetRequiredService<WorkGate>(), host, logs.CreateLogger<Subscriber>());
        });
    }

    /// <summary>
    /// The one connection of the host: the <c>INatsConnection</c> that it registered (<c>AddNatsClient()</c>), else one
    /// after the settings <c>NATS_*</c>. Safe to call twice.
    /// </summary>
    public static IServiceCollection AddJetStreamClient(this IServiceCollection services)
    {
        services.TryAddSingleton(host => host.GetService<INatsConnection>() is { } connection
            ? new JetStreamClient(connection)
            : JetStreamClient.Connect(
                host.GetService<IConfiguration>() is { } configuration && NatsSettings.Read(configuration) is { } settings
                    ? settings with { Name = host.GetService<IHostEnvironment>()?.ApplicationName ?? settings.Name }
                    : throw new InvalidOperationException("nothing says where NATS is: set NATS_URL, register a connection with AddNatsClient(), or add .Connect(\"nats://…\") to the subscriber"),
                host.GetService<ILoggerFactory>()));
        return services;
    }

    private sealed record RegisteredSubscriber(string Name);
}
