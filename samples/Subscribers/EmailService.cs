using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Watchword.Events;
using Watchword.Events.Contracts;

namespace Watchword.Samples.Subscribers;

/// <summary>Sends a welcome mail to everyone who registers.</summary>
internal static class EmailService
{
    public const string Name = "email-service";

    public static void Add(IServiceCollection services, SampleSettings settings, NpgsqlDataSource database)
    {
        var mailer = new Mailer(settings);
        services.AddWatchwordSubscriber(Name, s => s.ParkIn(database).ExactlyOnce()
            // One event for each transaction: if one event of several fails, all are handled again, and a mail cannot be undone.
            // The retries cover an outage of a quarter of an hour; a server that hangs is given up on after 30 seconds.
            .With(o => o with { BatchSize = 1, MaxDeliver = 20, Backoff = TimeSpan.FromSeconds(1), HandlerTimeout = TimeSpan.FromSeconds(30) })
            // A replayed registration is history: no second welcome.
            .On<UserRegistered>((e, context, ct) => context.IsReplay ? Task.CompletedTask : mailer.SendAsync(context.EventId, e.Data.Email, e.Data.Name, ct)));
    }
}
