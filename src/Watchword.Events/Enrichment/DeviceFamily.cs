namespace Watchword.Events.Enrichment;

/// <summary>Tells the kind of device from a user agent.</summary>
internal static class DeviceFamily
{
    // The order matters: an iPad also says "Mac OS X", Android and Chrome OS also say "Linux", and a bot may say anything.
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
