namespace Watchword.Events.Outbox;

/// <summary>What kind of device a user agent speaks of.</summary>
internal static class DeviceFamily
{
    // In this order: an iPad says "Mac OS X" too, Android and Chrome OS say "Linux", and a bot says anything.
    private static readonly (string Mark, string Family)[] Marks =
    [
        ("bot", "bot"), ("crawler", "bot"), ("spider", "bot"), ("slurp", "bot"),
        ("ipad", "ipad"), ("iphone", "iphone"), ("ipod", "iphone"), ("android", "android"), ("cros ", "chromebook"),
        ("windows", "windows"), ("macintosh", "mac"), ("mac os x", "mac"), ("linux", "linux"), ("x11", "linux"),
    ];

    /// <summary><c>iphone</c>, <c>ipad</c>, <c>android</c>, <c>windows</c>, <c>mac</c>, <c>linux</c>, <c>chromebook</c>, <c>bot</c> or <c>other</c>.</summary>
    public static string Of(string userAgent)
    {
        foreach (var (mark, family) in Marks)
            if (userAgent.Contains(mark, StringComparison.OrdinalIgnoreCase))
                return family;
        return "other";
    }
}
