using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Watchword.Events;
using Watchword.Events.Contracts;
using Watchword.Events.Subscribing;

namespace Watchword.Samples.Subscribers;

/// <summary>Counts events by day and kind, and users by day of activity.</summary>
internal static class Analytics
{
    public const string Name = "analytics";

    public static void Add(IServiceCollection services, SampleSettings settings, NpgsqlDataSource database)
    {
        Pruning.Add(services, database, () => [Prune(settings.AnalyticsKept)]);
        services.AddWatchwordSubscriber(Name, s => s.ParkIn(database).ExactlyOnce()
            // All events update the same few rows, so parallel lanes would only wait for each other. Many events share a transaction instead.
            .With(o => o with { Concurrency = 1, BatchSize = 200 })
            .On<UserRegistered>((e, context, ct) => CountAsync(context, e.Subject, e.Data.UserId, e.Data.Timestamp, ct))
            .On<UserLoggedIn>((e, context, ct) => CountAsync(context, e.Subject, e.Data.UserId, e.Data.Timestamp, ct))
            .On<UserLoggedOut>((e, context, ct) => CountAsync(context, e.Subject, e.Data.UserId, e.Data.Timestamp, ct))
            .On<UserTokenRefreshed>((e, context, ct) => CountAsync(context, e.Subject, e.Data.UserId, e.Data.Timestamp, ct)));
    }

    /// <summary>Replaces the users of days long past by their number. A late event still adds to the number of its day.</summary>
    private static NpgsqlBatchCommand Prune(TimeSpan kept) => new("""
        WITH past AS (DELETE FROM analytics.active_user WHERE day < ((now() - $1) AT TIME ZONE 'UTC')::date RETURNING day)
        INSERT INTO analytics.past_active_users (day, users) SELECT day, count(*) FROM past GROUP BY day ORDER BY day
        ON CONFLICT (day) DO UPDATE SET users = past_active_users.users + excluded.users
        """) { Parameters = { new() { Value = kept } } };

    private static async Task CountAsync(EventContext context, string subject, string userId, DateTimeOffset at, CancellationToken ct)
    {
        await using var count = new NpgsqlBatch(context.Connection, context.Transaction)
        {
            BatchCommands =
            {
                new("""
                    INSERT INTO analytics.daily_count (day, subject, count) VALUES (($1 AT TIME ZONE 'UTC')::date, $2, 1)
                    ON CONFLICT (day, subject) DO UPDATE SET count = daily_count.count + 1
                    """) { Parameters = { new() { Value = at.UtcDateTime }, new() { Value = subject } } },
                new("INSERT INTO analytics.active_user (day, user_id) VALUES (($1 AT TIME ZONE 'UTC')::date, $2) ON CONFLICT DO NOTHING")
                { Parameters = { new() { Value = at.UtcDateTime }, new() { Value = userId } } },
            },
        };
        await count.ExecuteNonQueryAsync(ct);
    }
}
