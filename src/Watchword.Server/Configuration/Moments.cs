using System.Globalization;

namespace Watchword.Server.Configuration;

/// <summary>Moments as people write them: <c>2026-11-21T12:00:00Z</c>, or how long ago, as <c>10m</c>.</summary>
internal static class Moments
{
    public const string Expected = "expected a time such as 2026-11-21T12:00:00Z (without a zone it is UTC), or how long ago: 90s, 10m, 24h, 7d";

    private static readonly string[] Forms = ["yyyy-MM-dd", .. from zone in (string[])["", "'Z'", "zzz"]
        from time in (string[])["HH:mm", "HH:mm:ss", "HH:mm:ss.FFFFFFF"]
        select $"yyyy-MM-dd'T'{time}{zone}"];

    /// <summary>A time is ISO 8601's, and a duration names its unit: other forms would be guessed at, and choose other events.</summary>
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
