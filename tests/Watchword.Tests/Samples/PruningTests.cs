using Microsoft.Extensions.Configuration;
using Watchword.Samples.Subscribers;

namespace Watchword.Tests.Samples;

/// <summary>The samples delete expired rows, and keep the rows that they still need.</summary>
public class PruningTests(PostgresFixture postgres, NatsFixture nats)
{
    [Fact]
    public async Task Security_deletes_expired_rows_soon_after_its_start()
    {
        await using var host = await SampleHost.StartAsync(postgres, nats, Security.Add, """
            INSERT INTO security.device (user_id, family, network, first_seen, last_seen) VALUES
                ('u', 'regular', 'n', now() - interval '900 days', now() - interval '300 days'),
                ('u', 'given up', 'n', now() - interval '900 days', now() - interval '400 days'),
                ('long away', 'first', 'n', now() - interval '900 days', now() - interval '800 days'),
                ('long away', 'last', 'n', now() - interval '900 days', now() - interval '700 days');
            INSERT INTO security.alert (id, kind, about, at, payload, published_at, skipped_at) VALUES
                (gen_random_uuid(), 'published', 'old', now(), '{}', now() - interval '366 days', NULL),
                (gen_random_uuid(), 'skipped', 'old', now(), '{}', NULL, now() - interval '366 days'),
                (gen_random_uuid(), 'published', 'new', now() - interval '900 days', '{}', now() - interval '364 days', NULL),
                (gen_random_uuid(), 'waits', 'old', now() - interval '900 days', '{}', NULL, NULL);
            INSERT INTO security.last_login (ip, user_id, at) VALUES ('i', 'old', now() - interval '8 days'), ('i', 'late', now() - interval '7 days');
            INSERT INTO security.refresh (user_id, at) VALUES ('old', now() - interval '8 days'), ('late', now() - interval '7 days');
            """);
        await Eventually.TrueAsync(async () => await host.Database.ScalarAsync<long>("SELECT count(*) FROM security.refresh") == 1);
        Assert.Equal(["long away last", "u regular"], await host.Database.QueryAsync<string>("SELECT concat_ws(' ', user_id, family) FROM security.device ORDER BY 1"));
        Assert.Equal(["published new", "waits old"], await host.Database.QueryAsync<string>("SELECT concat_ws(' ', kind, about) FROM security.alert ORDER BY 1"));
        Assert.Equal(["late", "late"], await host.Database.QueryAsync<string>("SELECT user_id FROM security.last_login UNION ALL SELECT user_id FROM security.refresh"));
    }

    [Fact]
    public async Task A_known_device_is_kept_from_its_last_use()
    {
        await using var host = await SampleHost.StartAsync(postgres, nats, Security.Add, """
            INSERT INTO security.device (user_id, family, network, first_seen, last_seen) VALUES
                ('u', 'Firefox', '203.0.113.0/24', now() - interval '900 days', now() - interval '300 days'),
                ('u', 'curl', '203.0.113.0/24', now() - interval '900 days', now() - interval '300 days')
            """);
        await host.PublishAsync("logged_in", "u", 7200);
        await host.PublishAsync("logged_in", "u", 3600);      // late, and less recent
        Assert.Empty(await host.AlertsAsync());
        Assert.Equal([$"Firefox {SampleHost.Day:yyyy-MM-dd} 02:00:00"], await host.Database.QueryAsync<string>(
            "SELECT concat_ws(' ', family, last_seen AT TIME ZONE 'UTC') FROM security.device WHERE last_seen > now() - interval '10 days'"));
    }

    [Fact]
    public async Task Analytics_deletes_the_active_users_and_keeps_their_number()
    {
        await using var host = await SampleHost.StartAsync(postgres, nats, Analytics.Add, """
            INSERT INTO analytics.active_user (day, user_id) VALUES ('2020-01-01', 'u'), ('2020-01-01', 'v'), ('2020-01-02', 'u'), (current_date - 89, 'u'), (current_date - 89, 'v');
            INSERT INTO analytics.past_active_users (day, users) VALUES ('2020-01-02', 10);
            INSERT INTO analytics.daily_count (day, subject, count) VALUES ('2020-01-01', 's', 3);
            """);
        await Eventually.TrueAsync(async () => await host.Database.ScalarAsync<long>("SELECT count(*) FROM analytics.active_user") == 2);
        Assert.Equal(["2 2020-01-01", "11 2020-01-02", "2 recently"], await host.Database.QueryAsync<string>(
            "SELECT concat_ws(' ', users, CASE WHEN day < '2021-01-01' THEN day::text ELSE 'recently' END) FROM analytics.daily_active_users ORDER BY day"));
        Assert.Equal(3, await host.Database.ScalarAsync<long>("SELECT count FROM analytics.daily_count"));
    }

    [Fact]
    public async Task A_failed_prune_stops_nothing()
    {
        await using var host = await SampleHost.StartAsync(postgres, nats, Analytics.Add, """
            CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'not this one'; END $$;
            CREATE TRIGGER refuse BEFORE DELETE ON analytics.active_user FOR EACH ROW EXECUTE FUNCTION refuse();
            INSERT INTO analytics.active_user (day, user_id) VALUES ('2020-01-01', 'u');
            """);
        Assert.Contains("not this one", (await host.Logs.LineAsync(2001)).Text, StringComparison.Ordinal);
        await host.PublishAsync("registered", "v");
        await Eventually.TrueAsync(async () => await host.Database.ScalarAsync<long>("SELECT count(*) FROM analytics.active_user") == 2);
    }

    [Fact]
    public void Retention_is_a_setting()
    {
        Assert.Equal((TimeSpan.FromDays(90), TimeSpan.FromDays(365)), Kept());
        Assert.Equal((TimeSpan.FromDays(30), TimeSpan.FromDays(60)), Kept(("ANALYTICS_KEEP_DAYS", "30"), ("SECURITY_KEEP_DAYS", "60")));
        Assert.Equal("ANALYTICS_KEEP_DAYS is '0': expected a whole number from 1 to 1,000,000", Assert.Throws<FormatException>(() => Kept(("ANALYTICS_KEEP_DAYS", "0"))).Message);
        Assert.StartsWith("SECURITY_KEEP_DAYS is '2': expected at least SECURITY_BRUTE_FORCE_SECONDS",
            Assert.Throws<FormatException>(() => Kept(("SECURITY_KEEP_DAYS", "2"), ("SECURITY_BRUTE_FORCE_SECONDS", "172801"))).Message, StringComparison.Ordinal);

        static (TimeSpan, TimeSpan) Kept(params (string Name, string Value)[] environment)
        {
            var settings = SampleSettings.Read(new ConfigurationBuilder().AddInMemoryCollection(
                [new("NATS_URL", "nats://h"), new("DATABASE_URL", "Host=h"), .. environment.Select(e => KeyValuePair.Create(e.Name, (string?)e.Value))]).Build());
            return (settings.AnalyticsKept, settings.SecurityKept);
        }
    }
}
