using Watchword.Samples.Subscribers;

namespace Watchword.Tests.Samples;

/// <summary>Alerts are published whatever a foreign publisher puts into a login.</summary>
public class AlertOutboxTests(PostgresFixture postgres, NatsFixture nats)
{
    [Fact]
    public async Task A_huge_user_agent_is_cut_and_stops_no_alert()
    {
        await using var host = await SampleHost.StartAsync(postgres, nats, Security.Add);
        await host.PublishAsync("logged_in", "u", 1);
        // 600 kB, and twice as long in the JSON of an alert.
        await host.PublishAsync("logged_in", "u", 2, userAgent: "evil/1 " + new string('\u2028', 200_000));
        await host.PublishAsync("logged_in", "u", 3, userAgent: "curl/8");

        var agents = (await host.AlertsAsync()).ConvertAll(a => a.GetProperty("data").GetProperty("userAgent").GetString());
        Assert.Equal(["evil/1 " + new string('\u2028', 505), "curl/8"], agents);
    }

    [Fact]
    public async Task A_huge_address_is_cut_and_still_counted()
    {
        await using var host = await SampleHost.StartAsync(postgres, nats, Security.Add);
        var random = new Random(1);
        var ip = string.Concat(Enumerable.Range(0, 100_000).Select(_ => (char)random.Next('0', '9')));
        foreach (var user in (string[])["a", "b", "c"])
            await host.PublishAsync("logged_in", user, ip: ip);
        Assert.Equal(ip[..512], Assert.Single(await host.AlertsAsync()).GetProperty("data").GetProperty("ip").GetString());
    }

    [Fact]
    public async Task An_alert_that_the_server_refuses_as_too_large_is_skipped()
    {
        await using var host = await SampleHost.StartAsync(postgres, nats, Security.Add);
        await host.Database.ExecuteAsync("INSERT INTO security.alert (id, kind, about, at, payload) VALUES ('00000000-0000-0000-0000-000000000001', 'k', 'x', now(), convert_to(repeat('x', 2000000), 'UTF8'))");
        await host.PublishAsync("logged_in", "u", 1);
        await host.PublishAsync("logged_in", "u", 2, userAgent: "curl/8");
        await Eventually.TrueAsync(async () => await host.JetStream.FindStreamAsync("security-alerts") is { State.Messages: 1 });
        Assert.Equal(1, await host.Database.ScalarAsync<long>("SELECT count(*) FROM security.alert WHERE skipped_at IS NOT NULL AND published_at IS NULL"));
    }
}
