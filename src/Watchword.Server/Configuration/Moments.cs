using System.Globalization;

namespace Watchword.Server.Configuration;

/// <summary>Moments as people write them: <c>2026-11-21T12:00:00Z</c>, or how long ago, as <c>10m</c>.</summary>
internal static class Moments
{
    public const string Expected = "expected a time such as 2026-11-21T12:00:00Z, or how long ago: 90s, 10m, 24h, 7d";

    /// <summary>A time without a zone is UTC.</summary>
    public static bool TryParse(string text, out DateTimeOffset moment)
    {
        if (text.Length > 0 && Durations.TryParse(text, out var ago))
        {
            moment = DateTimeOffset.UtcNow - ago;
            return true;
        }
        return DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out moment);
    }
}
