using System.Globalization;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Watchword.Events;
using EventContext = Watchword.Events.Subscribing.EventContext;

namespace Watchword.Samples.Subscribers;

/// <summary>
/// Looks at logins and refreshes, and raises alerts: a new device, many users from one address, a burst of refreshes.
/// What it knows and what it raises commit with the event, so that a redelivery neither forgets nor repeats an alert.
/// </summary>
internal sealed class Security(SampleSettings settings)
{
    public const string Name = "security";

    private static readonly TimeSpan RefreshWindow = TimeSpan.FromMinutes(1);

    public static void Add(IServiceCollection services, SampleSettings settings, NpgsqlDataSource database)
    {
        var security = new Security(settings);
        services.AddHostedService(s => ActivatorUtilities.CreateInstance<AlertOutbox>(s, database));
        services.AddWatchwordSubscriber(Name, s => s.ParkIn(database).ExactlyOnce()
            // Logins of different users from one address must see each other.
            .With(o => o with { Concurrency = 1, BatchSize = 100 })
            .OnAny(security.HandleAsync, "auth-events"));
    }

    private Task HandleAsync(EventContext context, CancellationToken ct) => context.IsReplay ? Task.CompletedTask : AuthEvent.Kind(context.Subject) switch
    {
        AuthEvent.LoggedIn => LoggedInAsync(context, AuthEvent.Read(context.Payload.Span), ct),
        AuthEvent.TokenRefreshed => RefreshedAsync(context, AuthEvent.Read(context.Payload.Span), ct),
        _ => Task.CompletedTask,
    };

    private async Task LoggedInAsync(EventContext context, AuthEvent login, CancellationToken ct)
    {
        var (family, network) = (Client.Family(login.UserAgent), Client.Network(login.Ip));
        // The first device of a user is no news.
        if (await AskAsync<bool>(context, """
            WITH known AS (SELECT EXISTS (SELECT 1 FROM security.device WHERE user_id = $1) AS any),
                 added AS (INSERT INTO security.device VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING RETURNING 1)
            SELECT known.any AND EXISTS (SELECT 1 FROM added) FROM known
            """, ct, login.UserId, family, network, login.At.UtcDateTime))
            await RaiseAsync(context, "new_device", login.UserId, login, $"first login with {family} from {network}", ct);

        if (login.Ip is not { } ip)
            return;
        var since = login.At.UtcDateTime - settings.BruteForceWindow;
        var users = await AskAsync<long>(context, """
            WITH old AS (DELETE FROM security.login WHERE at < $4),
                 added AS (INSERT INTO security.login (ip, user_id, at) VALUES ($1, $2, $3))
            SELECT count(DISTINCT user_id) FROM (SELECT user_id FROM security.login WHERE ip = $1 AND at >= $4 UNION ALL SELECT $2) AS recent
            """, ct, ip, login.UserId, login.At.UtcDateTime, since);
        if (users >= settings.BruteForceUsers && !await IsRaisedAsync(context, "brute_force", ip, since, ct))
            await RaiseAsync(context, "brute_force", ip, login, string.Create(CultureInfo.InvariantCulture,
                $"{users} users logged in from {ip} within {settings.BruteForceWindow.TotalSeconds:0} seconds"), ct);
    }

    private async Task RefreshedAsync(EventContext context, AuthEvent refresh, CancellationToken ct)
    {
        var since = refresh.At.UtcDateTime - RefreshWindow;
        var count = await AskAsync<long>(context, """
            WITH old AS (DELETE FROM security.refresh WHERE at < $3),
                 added AS (INSERT INTO security.refresh (user_id, at) VALUES ($1, $2))
            SELECT 1 + count(*) FROM security.refresh WHERE user_id = $1 AND at >= $3
            """, ct, refresh.UserId, refresh.At.UtcDateTime, since);
        if (count > settings.RefreshesPerMinute && !await IsRaisedAsync(context, "refresh_burst", refresh.UserId, since, ct))
            await RaiseAsync(context, "refresh_burst", refresh.UserId, refresh, string.Create(CultureInfo.InvariantCulture, $"{count} refreshes within a minute"), ct);
    }

    /// <summary>What goes on is told once a window, not with each event.</summary>
    private static Task<bool> IsRaisedAsync(EventContext context, string kind, string about, DateTime since, CancellationToken ct) =>
        AskAsync<bool>(context, "SELECT EXISTS (SELECT 1 FROM security.alert WHERE kind = $1 AND about = $2 AND at >= $3)", ct, kind, about, since);

    private static async Task RaiseAsync(EventContext context, string kind, string about, AuthEvent cause, string detail, CancellationToken ct)
    {
        var id = Guid.CreateVersion7();
        var alert = new SecurityAlert(
            SecurityAlert.AlertSubject,
            new(cause.UserId, kind, detail, cause.At.UtcDateTime, cause.Ip, cause.UserAgent),
            // What caused it and what follows from it stay joined.
            new(Name, typeof(Security).Assembly.GetName().Version!.ToString(3), cause.Environment ?? "production", id.ToString(), context.CorrelationId ?? context.EventId));
        await AskAsync<Guid>(context, "INSERT INTO security.alert (id, kind, about, at, payload) VALUES ($1, $2, $3, $4, $5) RETURNING id", ct,
            id, kind, about, cause.At.UtcDateTime, alert.ToJson());
    }

    private static async Task<T> AskAsync<T>(EventContext context, string sql, CancellationToken ct, params object[] values)
    {
        await using var command = new NpgsqlCommand(sql, context.Connection, context.Transaction);
        foreach (var value in values)
            command.Parameters.Add(new() { Value = value });
        return (T)(await command.ExecuteScalarAsync(ct))!;
    }
}
