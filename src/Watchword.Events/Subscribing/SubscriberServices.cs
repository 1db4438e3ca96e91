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
    /// Handles events in the background: from where it stopped last, each key's in order, keys side by side. What cannot
    /// be handled is set aside with the later events of its key, and everything else flows on.
    /// </summary>
    /// <param name="services">The host's.</param>
    /// <param name="name">Of the durable consumer; processes of one name stand in for each other.</param>
    /// <param name="configure">What it handles, and with what.</param>
    /// <exception cref="ArgumentException">Names everything that is wrong with it.</exception>
    public static IServiceCollection AddWatchwordSubscriber(this IServiceCollection services, string name, Action<SubscriberBuilder> configure)
    {
        var subscriber = new SubscriberBuilder();
        configure(subscriber);
        subscriber.Validate(name);
        if (services.Any(s => s.ImplementationInstance is RegisteredSubscriber other && other.Name == name))
            throw new ArgumentException($"subscriber {name} is there already: of two under one name one would only stand by. Choose another name, or give one of them both handlers", nameof(name));
        services.AddSingleton(new RegisteredSubscriber(name));
        services.TryAddSingleton<WorkGate>();   // one for all: the process is theirs together
        return services.AddSingleton<IHostedService>(host =>
        {
            var logs = host.GetRequiredService<ILoggerFactory>();
            var (nats, own) = Connect(host, subscriber, name, logs);
            return subscriber.IsFanOut
                ? new FanOutSubscriber(name, subscriber, new JetStream(nats), own, host, logs.CreateLogger<FanOutSubscriber>())
                : new Subscriber(name, subscriber, new JetStream(nats), own, host, logs.CreateLogger<Subscriber>());
        });
    }

    private sealed record RegisteredSubscriber(string Name);

    private static (NatsConnection Connection, bool Own) Connect(IServiceProvider host, SubscriberBuilder subscriber, string name, ILoggerFactory logs)
    {
        if (subscriber.Nats is null && host.GetService<NatsConnection>() is { } shared)
            return (shared, false);
        var options = subscriber.Nats
            ?? (host.GetService<IConfiguration>()?["NATS_URL"] is { Length: > 0 } url
                ? new NatsOptions { Url = url }
                : throw new InvalidOperationException($"subscriber {name} does not know where NATS is: set NATS_URL, or add .Connect(\"nats://…\")"));
        var connection = new NatsConnection(options with { Name = name, LoggerFactory = logs });
        connection.Start();
        return (connection, true);
    }
}
