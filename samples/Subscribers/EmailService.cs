using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Watchword.Events;
using Watchword.Events.Contracts;

namespace Watchword.Samples.Subscribers;

/// <summary>A welcome mail for whoever registers.</summary>
internal static class EmailService
{
    public const string Name = "email-service";

    public static void Add(IServiceCollection services, SampleSettings settings, NpgsqlDataSource database)
    {
        var mailer = new Mailer(settings);
        services.AddWatchwordSubscriber(Name, s => s.ParkIn(database).ExactlyOnce()
            // One at a time: what shares a transaction is handled again when one of them fails, and a mail is not undone.
            // A mail server may be away for a quarter of an hour, and one that says nothing is given up on sooner than others.
            .With(o => o with { BatchSize = 1, MaxDeliver = 20, Backoff = TimeSpan.FromSeconds(1), HandlerTimeout = TimeSpan.FromSeconds(30) }).On<UserRegistered>((e, context, ct) =>
            // Whoever registered long ago is not welcomed again.
            context.IsReplay ? Task.CompletedTask : mailer.SendAsync(context.EventId, e.Data.Email, e.Data.Name, ct)));
    }
}
