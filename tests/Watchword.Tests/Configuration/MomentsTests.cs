using Watchword.Server.Configuration;

namespace Watchword.Tests.Configuration;

/// <summary>Times as people write them, where a guess would choose the wrong events.</summary>
public class MomentsTests
{
    [Theory]
    [InlineData("2026-11-21T12:00Z", "2026-11-21T12:00:00Z")]
    [InlineData("2026-11-21T12:00:30Z", "2026-11-21T12:00:30Z")]
    [InlineData("2026-11-21T12:00:30.25Z", "2026-11-21T12:00:30.25Z")]
    [InlineData("2026-11-21T12:00:30+02:00", "2026-11-21T10:00:30Z")]
    [InlineData("2026-11-21T12:00-03:30", "2026-11-21T15:30:00Z")]
    [InlineData("2026-11-21T12:00:00", "2026-11-21T12:00:00Z")]
    [InlineData("2026-11-21T12:00:00.123456", "2026-11-21T12:00:00.123456Z")]
    [InlineData("2026-11-21", "2026-11-21T00:00:00Z")]
    public void A_time_is_read_with_its_zone_and_is_utc_without_one(string text, string expected)
    {
        Assert.True(Moments.TryParse(text, out var moment));
        Assert.Equal(DateTimeOffset.Parse(expected, System.Globalization.CultureInfo.InvariantCulture), moment);
    }

    [Theory]
    [InlineData("90s", 90)]
    [InlineData("10m", 600)]
    [InlineData("24h", 86_400)]
    [InlineData("7d", 604_800)]
    public void So_long_ago_is_counted_from_now(string text, int seconds)
    {
        var before = DateTimeOffset.UtcNow;
        Assert.True(Moments.TryParse(text, out var moment));
        Assert.InRange(moment.AddSeconds(seconds), before, DateTimeOffset.UtcNow);
    }

    [Theory]
    [InlineData("")]
    [InlineData("90")]
    [InlineData("1.5")]
    [InlineData("2026")]
    [InlineData("2026-11-21T25:00:00")]
    [InlineData("2026-13-01")]
    [InlineData("2026-11-21 12:00:00Z")]
    [InlineData("03/04/2026")]
    [InlineData("12:00")]
    [InlineData("May 2026")]
    [InlineData("-5m")]
    [InlineData("yesterday")]
    public void What_leaves_something_to_guess_is_refused(string text) => Assert.False(Moments.TryParse(text, out _));
}
