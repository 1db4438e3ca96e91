using System.Globalization;

namespace Watchword.Server.Configuration;

/// <summary>Parses and formats durations such as 900s, 15m, 24h and 7d; a bare number means seconds.</summary>
internal static class Durations
{
    public static bool TryParse(string text, out TimeSpan duration)
    {
        var (number, seconds) = text[^1] switch
        {
            's' => (text[..^1], 1),
            'm' => (text[..^1], 60),
            'h' => (text[..^1], 3600),
            'd' => (text[..^1], 86400),
            _ => (text, 1),
        };
        var valid = int.TryParse(number, NumberStyles.None, CultureInfo.InvariantCulture, out var count) && (long)count * seconds <= int.MaxValue;
        duration = valid ? TimeSpan.FromSeconds((long)count * seconds) : default;   // at most 68 years: TimeSpan.FromSeconds throws beyond its range
        return valid;
    }

    public static string Format(TimeSpan duration) => duration switch
    {
        { TotalDays: >= 2 } => $"{(int)duration.TotalDays}d",
        { TotalHours: >= 1 } => $"{(int)duration.TotalHours}h",
        { TotalMinutes: >= 1 } => $"{(int)duration.TotalMinutes}m",
        _ => $"{(int)duration.TotalSeconds}s",
    };
}
