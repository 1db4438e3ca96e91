using System.Globalization;

namespace Watchword.Server.Configuration;

/// <summary>Parses times: <c>2026-11-21T12:00:00Z</c>, or how long ago, such as <c>10m</c>.</summary>
internal static class Moments
{
    public const string Expected = "expected a time such as 2026-11-21T12:00:00Z (UTC unless it names a zone), or how long ago: 90s, 10m, 24h, 7d";

    private static readonly string[] Forms = ["yyyy-MM-dd", .. from zone in (string[])["", "'Z'", "zzz"]
        from time in (string[])["HH:mm", "HH:mm:ss", "HH:mm:ss.FFFFFFF"]
        select $"yyyy-MM-dd'T'{time}{zone}"];

    /// <summary>Accepts ISO 8601 and durations with a unit; any other form would be a guess, and might select the wrong events.</summary>
    public static bool TryParse(string text, out DateTimeOffset moment)
    {
        if (text.Length > 0 && !char.IsAsciiDigit(text[^1]) && Durations.TryParse(text, out var ago))
        {
            moment = DateTimeOffset.UtcNow - ago;
            return true;
        }
        return DateTimeOffset.TryParseExact(text, Forms, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal | DateTimeStyles.AdjustToUniversal, out moment);
    }
}
