using Watchword.Samples.Subscribers;

namespace Watchword.Tests.Samples;

/// <summary>Suspicious logins and refreshes raise one alert each, and nothing else does.</summary>
public class SecurityTests(PostgresFixture postgres, NatsFixture nats)
{
    [Fact]
    public async Task A_new_device_raises_one_alert_and_the_first_device_none()
    {
        await using var host = await SampleHost.StartAsync(postgres, nats, Security.Add);
        await host.PublishAsync("registered", "u");
        await host.PublishAsync("logged_in", "u", 1);
        await host.PublishAsync("logged_in", "u", 2, "203.0.113.99", "Firefox/2");                    // the same family and network
        await host.PublishAsync("logged_in", "u", 3, "198.51.100.1", "Firefox/2", replayed: true);    // history
        await host.PublishAsync("logged_in", "u", 4, userAgent: "Mozilla/5.0 Chrome/120 Safari/537", id: "again");
        await host.PublishAsync("logged_in", "u", 4, userAgent: "Mozilla/5.0 Chrome/120 Safari/537", id: "again");   // delivered twice
        await host.PublishAsync("logged_in", "u", 5, "2001:db8::1");
        await host.PublishAsync("logged_in", "v", 6, userAgent: "curl/8");                            // the first of another user

        var alerts = await host.AlertsAsync();
        Assert.Equal(["first login with Chrome from 203.0.113.0/24", "first login with Firefox from 2001:db8::/48"], alerts.ConvertAll(a => a.GetProperty("data").GetProperty("detail").GetString()));
        var (data, metadata) = (alerts[0].GetProperty("data"), alerts[0].GetProperty("metadata"));
        Assert.Equal("security.alert", alerts[0].GetProperty("subject").GetString());
        Assert.Equal(("u", "new_device", "203.0.113.7", "Mozilla/5.0 Chrome/120 Safari/537", $"{SampleHost.Day:yyyy-MM-dd}T00:00:04.000Z"), (
            data.GetProperty("userId").GetString(), data.GetProperty("kind").GetString(), data.GetProperty("ip").GetString(),
            data.GetProperty("userAgent").GetString(), data.GetProperty("timestamp").GetString()));
        Assert.Equal(("security", "test", "c-u", 1), (
            metadata.GetProperty("service").GetString(), metadata.GetProperty("environment").GetString(),
            metadata.GetProperty("correlationId").GetString(), metadata.GetProperty("schemaVersion").GetInt32()));
        Assert.True(Guid.TryParse(metadata.GetProperty("eventId").GetString(), out _));
    }

    [Fact]
    public async Task Many_users_from_one_address_raise_one_alert_a_window()
    {
        await using var host = await SampleHost.StartAsync(postgres, nats, Security.Add);
        foreach (var (user, second) in ((string, int)[])[("a", 0), ("a", 1), ("b", 2), ("b", 3)])
            await host.PublishAsync("logged_in", user, second);
        await host.PublishAsync("logged_in", "c", 4, ip: "203.0.113.8");   // another address
        Assert.Empty(await host.AlertsAsync());
        await host.PublishAsync("logged_in", "c", 302);                     // a's logins are too long ago
        Assert.Empty(await host.AlertsAsync());
        await host.PublishAsync("logged_in", "d", 303);
        await host.PublishAsync("logged_in", "e", 304);
        var alert = Assert.Single(await host.AlertsAsync()).GetProperty("data");
        Assert.Equal(("brute_force", "d", "203.0.113.7"), (alert.GetProperty("kind").GetString(), alert.GetProperty("userId").GetString(), alert.GetProperty("ip").GetString()));
    }

    [Fact]
    public async Task Many_failed_logins_of_one_user_raise_one_alert_a_window()
    {
        await using var host = await SampleHost.StartAsync(postgres, nats, Security.Add);
        for (var i = 0; i < 9; i++)
        {
            await host.PublishAsync("login_failed", "u", i, ip: $"203.0.113.{i}");   // from many places
            await host.PublishAsync("login_failed", "calm", i * 120, ip: "198.51.100.1");
        }
        await host.PublishAsync("login_failed", "u", 9, replayed: true);
        var alert = Assert.Single(await host.AlertsAsync()).GetProperty("data");
        Assert.Equal(("login_failures", "u", "4 failed logins within 300 seconds", "203.0.113.3"), (alert.GetProperty("kind").GetString(), alert.GetProperty("userId").GetString(),
            alert.GetProperty("detail").GetString(), alert.GetProperty("ip").GetString()));
    }

    [Fact]
    public async Task Failed_logins_of_many_users_from_one_address_raise_an_alert()
    {
        await using var host = await SampleHost.StartAsync(postgres, nats, Security.Add);
        foreach (var user in (string[])["a", "b", "c", "d"])
            await host.PublishAsync("login_failed", user);
        var alert = Assert.Single(await host.AlertsAsync()).GetProperty("data");
        Assert.Equal(("brute_force", "c", "at least 3 users tried to log in from 203.0.113.7 within 300 seconds"),
            (alert.GetProperty("kind").GetString(), alert.GetProperty("userId").GetString(), alert.GetProperty("detail").GetString()));
    }

    [Fact]
    public async Task A_burst_of_refreshes_raises_one_alert_a_minute()
    {
        await using var host = await SampleHost.StartAsync(postgres, nats, Security.Add);
        for (var i = 0; i < 6; i++)
            await host.PublishAsync("token_refreshed", "u", i);
        for (var i = 0; i < 6; i++)
            await host.PublishAsync("token_refreshed", "calm", i * 25);
        var alert = Assert.Single(await host.AlertsAsync()).GetProperty("data");
        Assert.Equal(("refresh_burst", "u", "4 refreshes within a minute"), (alert.GetProperty("kind").GetString(), alert.GetProperty("userId").GetString(), alert.GetProperty("detail").GetString()));
    }

    [Fact]
    public async Task Logins_hours_apart_raise_no_alert_in_any_order()
    {
        await using var host = await SampleHost.StartAsync(postgres, nats, Security.Add);
        for (var hour = 9; hour > 0; hour--)
        {
            await host.PublishAsync("logged_in", $"u{hour}", hour * 3600);
            await host.PublishAsync("token_refreshed", "u", hour * 3600);
        }
        Assert.Empty(await host.AlertsAsync());

        // A late event belongs to the alert that was raised already; an alert of another time suppresses none.
        foreach (var (user, second) in ((string, int)[])[("a", 40_000), ("b", 40_001), ("c", 40_002), ("d", 40_001), ("e", 100), ("f", 101), ("g", 102)])
            await host.PublishAsync("logged_in", user, second);
        Assert.Equal(["c", "g"], (await host.AlertsAsync()).ConvertAll(a => a.GetProperty("data").GetProperty("userId").GetString()));
    }

    [Fact]
    public async Task A_flood_from_one_address_costs_the_same_for_each_login()
    {
        const int Logins = 400;
        await using var host = await SampleHost.StartAsync(postgres, nats, Security.Add);
        for (var i = 0; i < Logins; i++)
            await host.PublishAsync("logged_in", $"u{i}", i / 10);
        await host.SettledAsync(Security.Name);
        // PostgreSQL reports its statistics with some delay.
        await Eventually.TrueAsync(async () => await host.Database.ScalarAsync<long>("SELECT n_tup_ins FROM pg_stat_user_tables WHERE relname = 'device'") == Logins);
        Assert.InRange(await host.Database.ScalarAsync<long>("SELECT sum(seq_tup_read + idx_tup_fetch)::bigint FROM pg_stat_user_tables WHERE schemaname = 'security' AND relname LIKE '%login'"), 1, Logins * 10);
        Assert.Equal("at least 3 users logged in from 203.0.113.7 within 300 seconds", Assert.Single(await host.AlertsAsync()).GetProperty("data").GetProperty("detail").GetString());
    }

    [Fact]
    public async Task Days_are_counted_by_kind_and_active_user()
    {
        await using var host = await SampleHost.StartAsync(postgres, nats, Analytics.Add);
        await host.PublishAsync("registered", "u");
        await host.PublishAsync("logged_in", "u", 5, id: "twice");
        await host.PublishAsync("logged_in", "u", 5, id: "twice");
        await host.PublishAsync("logged_in", "v", 86_399);
        await host.PublishAsync("logged_in", "v", 86_400);
        await host.SettledAsync(Analytics.Name);
        var (day, next) = ($"{SampleHost.Day:yyyy-MM-dd}", $"{SampleHost.Day.AddDays(1):yyyy-MM-dd}");
        Assert.Equal([$"{day} auth.user.logged_in 2", $"{day} auth.user.registered 1", $"{next} auth.user.logged_in 1"],
            await host.Database.QueryAsync<string>("SELECT concat_ws(' ', day, subject, count) FROM analytics.daily_count ORDER BY 1"));
        Assert.Equal([$"{day} 2", $"{next} 1"], await host.Database.QueryAsync<string>("SELECT concat_ws(' ', day, users) FROM analytics.daily_active_users ORDER BY 1"));
    }

    [Theory]
    [InlineData("Mozilla/5.0 (X11; Linux x86_64; rv:120.0) Gecko/20100101 Firefox/120.0", "Firefox")]
    [InlineData("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36", "Chrome")]
    [InlineData("Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36 Edg/120.0", "Edge")]
    [InlineData("Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.0 Mobile/15E148 Safari/604.1", "Safari")]
    [InlineData("curl/8.5.0", "curl")]
    [InlineData(" ", "unknown")]
    [InlineData(null, "unknown")]
    public void A_user_agent_has_a_family(string? userAgent, string family) => Assert.Equal(family, Client.Family(userAgent));

    [Fact]
    public void A_long_family_is_not_cut_within_a_character() => Assert.Equal(new string('a', 39), Client.Family(new string('a', 39) + "\ud83d\ude00"));

    [Theory]
    [InlineData("203.0.113.7", "203.0.113.0/24")]
    [InlineData("::ffff:203.0.113.7", "203.0.113.0/24")]
    [InlineData("2001:db8:1:2::7", "2001:db8:1::/48")]
    [InlineData("nonsense", "unknown")]
    public void An_address_has_a_network(string ip, string network) => Assert.Equal(network, Client.Network(ip));
}
