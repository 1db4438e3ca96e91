using System.Diagnostics.Metrics;
using Watchword.Events.Enrichment;
using Watchword.Tests.Events.Outbox;

namespace Watchword.Tests.Events.Enrichment;

public class EventSamplingTests(PostgresFixture postgres, NatsFixture nats)
{
    private const string Refreshed = "auth.user.token_refreshed";

    private static EventSampling Parse(string text)
    {
        var faults = new List<string>();
        var sampling = EventSampling.Parse(text, faults);
        Assert.Empty(faults);
        return sampling;
    }

    [Theory]
    [InlineData("0%", 0, 0)]
    [InlineData("0.5%", 20, 90)]
    [InlineData("10%", 900, 1100)]
    [InlineData("100%", 10_000, 10_000)]
    public void The_share_of_the_users_is_kept_and_nothing_else_is_left_out(string share, int atLeast, int atMost)
    {
        var sampling = Parse($"{Refreshed}={share}");
        Assert.InRange(Enumerable.Range(0, 10_000).Count(i => !sampling.LeavesOut(Refreshed, $"user-{i}")), atLeast, atMost);
        Assert.DoesNotContain(Enumerable.Range(0, 1000), i => sampling.LeavesOut("auth.user.registered", $"user-{i}"));
    }

    [Fact]
    public void The_same_users_are_chosen_for_ever_and_a_larger_share_keeps_those_of_a_smaller()
    {
        var (small, large) = (Parse($"{Refreshed}=10%"), Parse($"{Refreshed}=50%"));
        // SHA-256 of "user-3" begins with 0x1a…: another implementation must come to the same result.
        Assert.Equal(Expected("user-3") >= 0.1, small.LeavesOut(Refreshed, "user-3"));
        Assert.All(Enumerable.Range(0, 1000).Select(i => $"user-{i}"), id =>
        {
            Assert.Equal(Expected(id) >= 0.1, small.LeavesOut(Refreshed, id));
            Assert.True(small.LeavesOut(Refreshed, id) || !large.LeavesOut(Refreshed, id));
        });

        static double Expected(string id) =>
            ulong.Parse(Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(id)))[..16], System.Globalization.NumberStyles.HexNumber,
                System.Globalization.CultureInfo.InvariantCulture) / Math.Pow(2, 64);
    }

    [Fact]
    public void Every_fault_is_named()
    {
        var faults = new List<string>();
        EventSampling.Parse("user.sync=10%, auth.user.*=5%, auth.user.logged_in=101%, auth.user.logged_in=-1%, auth.user.logged_in=10, auth.user.logged_in, auth.user.logged_out=1%, auth.user.logged_out=2%", faults);
        Assert.Equal(7, faults.Count);
        Assert.StartsWith("has 'user.sync=10%': only subjects auth.user.", faults[0], StringComparison.Ordinal);
        Assert.StartsWith("has 'auth.user.logged_in=101%': expected a share from 0% to 100%", faults[2], StringComparison.Ordinal);
        Assert.Equal("names auth.user.logged_out twice", faults[^1]);
    }

    [Fact]
    public async Task What_is_left_out_is_marked_and_counted_and_never_published()
    {
        await using var db = await postgres.IdentityAsync();
        var sampling = Parse($"{Refreshed}=30%");
        var leftOut = 0L;
        using var listener = new MeterListener { InstrumentPublished = (instrument, l) => { if (instrument.Name == "watchword.relay.sampled_out") l.EnableMeasurementEvents(instrument); } };
        listener.SetMeasurementEventCallback<long>((_, count, _, _) => Interlocked.Add(ref leftOut, count));
        listener.Start();
        await db.ExecuteAsync("""
            SELECT watchword.append_auth_event('token_refreshed', 'user-' || i % 100) FROM generate_series(1, 3000) i;
            SELECT watchword.append_auth_event('logged_out', 'user-' || i) FROM generate_series(1, 10) i
            """);
        await using var relay = await RelayHost.StartAsync(db, nats.TakeAccount().Settings, RelayHost.Options with { Sampling = sampling });
        await Eventually.TrueAsync(async () => await db.ScalarAsync<long>("SELECT count(*) FROM watchword.outbox WHERE published_at IS NULL") == 0);

        var kept = Enumerable.Range(0, 100).Select(i => $"user-{i}").Where(id => !sampling.LeavesOut(Refreshed, id)).ToHashSet();
        var stored = await relay.JetStream.ReadStreamAsync("auth-events", kept.Count * 30 + 10);
        Assert.Equal(stored.Count, (await relay.JetStream.FindStreamAsync("auth-events"))!.State.Messages);
        Assert.Equal(10, stored.Count(e => e.Subject == "auth.user.logged_out"));
        Assert.All(stored.Where(e => e.Subject == Refreshed).GroupBy(e => e.UserId), user => Assert.Equal((true, 30), (kept.Contains(user.Key), user.Count())));
        Assert.Equal(3000 - kept.Count * 30, await db.ScalarAsync<long>("SELECT count(*) FROM watchword.outbox WHERE stream_seq IS NULL"));
        await Eventually.TrueAsync(() => relay.Relay.PublishedTotal == stored.Count);
        Assert.Equal(3000 - kept.Count * 30, Interlocked.Read(ref leftOut));
    }
}
