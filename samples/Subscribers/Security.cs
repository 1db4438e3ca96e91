using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Watchword.Events;
using Watchword.Events.Contracts;
using Watchword.Events.Subscribing;

namespace Watchword.Samples.Subscribers;

/// <summary>
/// Watches logins, failed ones and refreshes, and raises alerts: a new device, many users from one address, many failures of
/// one address, a burst of refreshes. Its
/// state and its alerts commit together with the event, so a redelivery neither loses nor repeats an alert.
/// </summary>
internal sealed class Security(SampleSettings settings)
{
    public const string Name = "security";

    /// <summary>The subject of its alerts.</summary>
    public static readonly string AlertSubject = EventCatalogue.Of(typeof(SecurityAlert)).Subject;

    private static readonly TimeSpan RefreshWindow = TimeSpan.FromMinutes(1);

    public static void Add(IServiceCollection services, SampleSettings settings, NpgsqlDataSource database)
    {
        var security = new Security(settings);
        services.AddHostedService(s => ActivatorUtilities.CreateInstance<AlertOutbox>(s, database));
        Pruning.Add(services, database, security.Prune);
        services.AddWatchwordSubscriber(Name, s => s.ParkIn(database).ExactlyOnce()
            // One lane: logins of different users from one address must see each other.
            .With(o => o with { Concurrency = 1, BatchSize = 100 })
            .On<UserLoggedIn>(security.LoggedInAsync)
            .On<UserLoginFailed>(security.FailedAsync)
            .On<UserTokenRefreshed>(security.RefreshedAsync));
    }

    private async Task LoggedInAsync(UserLoggedIn e, EventContext context, CancellationToken ct)
    {
        if (context.IsReplay)
            return;
        var login = e.Data;
        var (family, network) = (Client.Family(login.UserAgent), Client.Network(login.Ip));
        // The first device of a user raises no alert. last_seen is written at most once an hour.
        if (await AskAsync<bool>(context, """
            WITH known AS (SELECT EXISTS (SELECT 1 FROM security.device WHERE user_id = $1) AS any,
                                  EXISTS (SELECT 1 FROM security.device WHERE user_id = $1 AND family = $2 AND network = $3) AS this),
                 seen AS (INSERT INTO security.device AS device (user_id, family, network, first_seen, last_seen) VALUES ($1, $2, $3, $4, $4)
                     ON CONFLICT (user_id, family, network) DO UPDATE SET last_seen = excluded.last_seen
                     WHERE device.last_seen < excluded.last_seen - interval '1 hour')
            SELECT known.any AND NOT known.this FROM known
            """, ct, login.UserId, family, network, login.Timestamp.UtcDateTime))
            await RaiseAsync(context, "new_device", login.UserId, Alert("new_device", $"first login with {family} from {network}", login), e.Metadata, ct);

        await LookForManyUsersAsync(login.UserId, Alert("brute_force", "", login), e.Metadata, context, "logged in", ct);
    }

    private async Task FailedAsync(UserLoginFailed e, EventContext context, CancellationToken ct)
    {
        if (context.IsReplay)
            return;
        var login = e.Data;
        var who = login.UserId ?? login.Email;
        var about = new SecurityAlertData(who, "login_failures", "", login.Timestamp, Client.Cut(login.Ip), Client.Cut(login.UserAgent));
        await LookForManyUsersAsync(who, about with { Kind = "brute_force" }, e.Metadata, context, "tried to log in", ct);
        var count = await CountAsync(context, "security.login_failure", who, login.Timestamp, settings.BruteForceWindow, settings.LoginFailures - 1, ct);
        if (count >= settings.LoginFailures && !await IsRaisedAsync(context, "login_failures", who, login.Timestamp, settings.BruteForceWindow, ct))
            await RaiseAsync(context, "login_failures", who, about with
            {
                Detail = string.Create(CultureInfo.InvariantCulture, $"{count} failed logins within {settings.BruteForceWindow.TotalSeconds:0} seconds"),
            }, e.Metadata, ct);
    }

    private async Task LookForManyUsersAsync(string who, SecurityAlertData about, EventMetadata cause, EventContext context, string did, CancellationToken ct)
    {
        if (about.Ip is not { } ip)
            return;
        var since = about.Timestamp.UtcDateTime - settings.BruteForceWindow;
        // Reads no more rows than raise an alert, and deletes one old row for each login: the cost of a login stays constant in a flood.
        var others = await AskAsync<long>(context, """
            WITH old AS (DELETE FROM security.last_login WHERE ctid =
                     (SELECT ctid FROM security.last_login WHERE at < $4 AND NOT (ip = $1 AND user_id = $2) ORDER BY at LIMIT 1)),
                 seen AS (INSERT INTO security.last_login (ip, user_id, at) VALUES ($1, $2, $3)
                     ON CONFLICT (ip, user_id) DO UPDATE SET at = greatest(last_login.at, excluded.at))
            SELECT count(*) FROM (SELECT FROM security.last_login WHERE ip = $1 AND user_id <> $2 AND at BETWEEN $4 AND $3 ORDER BY at DESC LIMIT $5) AS recent
            """, ct, ip, who, about.Timestamp.UtcDateTime, since, settings.BruteForceUsers - 1);
        if (others + 1 >= settings.BruteForceUsers && !await IsRaisedAsync(context, "brute_force", ip, about.Timestamp, settings.BruteForceWindow, ct))
            await RaiseAsync(context, "brute_force", ip, about with
            {
                Detail = string.Create(CultureInfo.InvariantCulture, $"at least {settings.BruteForceUsers} users {did} from {ip} within {settings.BruteForceWindow.TotalSeconds:0} seconds"),
            }, cause, ct);
    }

    private async Task RefreshedAsync(UserTokenRefreshed e, EventContext context, CancellationToken ct)
    {
        if (context.IsReplay)
            return;
        var refresh = e.Data;
        var count = await CountAsync(context, "security.refresh", refresh.UserId, refresh.Timestamp, RefreshWindow, settings.RefreshesPerMinute, ct);
        if (count > settings.RefreshesPerMinute && !await IsRaisedAsync(context, "refresh_burst", refresh.UserId, refresh.Timestamp, RefreshWindow, ct))
            await RaiseAsync(context, "refresh_burst", refresh.UserId,
                new(refresh.UserId, "refresh_burst", string.Create(CultureInfo.InvariantCulture, $"{count} refreshes within a minute"), refresh.Timestamp), e.Metadata, ct);
    }

    /// <summary>Adds a row and counts the user's rows within a window, up to one more than a limit. Deletes one old row, so that the table stays small.</summary>
    private static Task<long> CountAsync(EventContext context, string table, string who, DateTimeOffset at, TimeSpan window, int limit, CancellationToken ct) =>
        AskAsync<long>(context, $"""
            WITH old AS (DELETE FROM {table} WHERE id = (SELECT id FROM {table} WHERE at < $3 ORDER BY at LIMIT 1)),
                 added AS (INSERT INTO {table} (user_id, at) VALUES ($1, $2))
            SELECT 1 + count(*) FROM (SELECT FROM {table} WHERE user_id = $1 AND at BETWEEN $3 AND $2 ORDER BY at DESC LIMIT $4) AS recent
            """, ct, who, at.UtcDateTime, (at - window).UtcDateTime, limit);

    /// <summary>The statements of one round of pruning.</summary>
    private NpgsqlBatchCommand[] Prune()
    {
        // An event can arrive as late as its stream keeps it, and must then still find the rows of its window.
        var late = Streams.AuthEvents.MaxAge;
        return
        [
            // The last device of each user stays: a first login after years is the one to examine.
            Command("""
                DELETE FROM security.device AS old WHERE last_seen < now() - $1 AND EXISTS
                    (SELECT 1 FROM security.device WHERE user_id = old.user_id AND (last_seen, family, network) > (old.last_seen, old.family, old.network))
                """, settings.SecurityKept),
            Command("DELETE FROM security.alert WHERE coalesce(published_at, skipped_at) < now() - $1", settings.SecurityKept),
            Command("DELETE FROM security.last_login WHERE at < now() - $1", late + settings.BruteForceWindow),
            Command("DELETE FROM security.login_failure WHERE at < now() - $1", late + settings.BruteForceWindow),
            Command("DELETE FROM security.refresh WHERE at < now() - $1", late + RefreshWindow),
        ];

        static NpgsqlBatchCommand Command(string sql, TimeSpan kept) => new(sql) { Parameters = { new() { Value = kept } } };
    }

    private static SecurityAlertData Alert(string kind, string detail, UserLoggedInData login) =>
        new(login.UserId, kind, detail, login.Timestamp, Client.Cut(login.Ip), Client.Cut(login.UserAgent));

    /// <summary>Whether an alert was raised within a window before or after this time: one alert a window, even if events arrive out of order.</summary>
    private static Task<bool> IsRaisedAsync(EventContext context, string kind, string about, DateTimeOffset at, TimeSpan window, CancellationToken ct) =>
        AskAsync<bool>(context, "SELECT EXISTS (SELECT 1 FROM security.alert WHERE kind = $1 AND about = $2 AND at BETWEEN $3 AND $4)", ct,
            kind, about, (at - window).UtcDateTime, (at + window).UtcDateTime);

    private static async Task RaiseAsync(EventContext context, string kind, string about, SecurityAlertData what, EventMetadata cause, CancellationToken ct)
    {
        var id = Guid.CreateVersion7();
        var alert = new SecurityAlert(AlertSubject, what,
            // The alert keeps the correlation id of the event that caused it.
            new(Name, typeof(Security).Assembly.GetName().Version!.ToString(3), cause.Environment, id.ToString(), context.CorrelationId ?? context.EventId));
        await AskAsync<Guid>(context, "INSERT INTO security.alert (id, kind, about, at, payload) VALUES ($1, $2, $3, $4, $5) RETURNING id", ct,
            id, kind, about, what.Timestamp.UtcDateTime, JsonSerializer.SerializeToUtf8Bytes(alert, EventJson.Default.SecurityAlert));
    }

    private static async Task<T> AskAsync<T>(EventContext context, string sql, CancellationToken ct, params object[] values)
    {
        await using var command = new NpgsqlCommand(sql, context.Connection, context.Transaction);
        foreach (var value in values)
            command.Parameters.Add(new() { Value = value });
        return (T)(await command.ExecuteScalarAsync(ct))!;
    }
}
