using System.Diagnostics.CodeAnalysis;
using System.Net;
using System.Net.Sockets;

namespace Watchword.Samples.Subscribers;

/// <summary>The parts of a client that stay the same from login to login: its program and its network.</summary>
internal static class Client
{
    private const int Ipv4NetworkBytes = 3;
    private const int Ipv6NetworkBytes = 6;
    private const int LongestFamily = 40;
    private const int LongestText = 512;

    // The order matters: each of these programs also names some that follow it here.
    private static readonly (string Token, string Family)[] Families =
    [
        ("Edg", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser/", "Samsung Internet"), ("Firefox/", "Firefox"), ("FxiOS/", "Firefox"),
        ("CriOS/", "Chrome"), ("Chrome/", "Chrome"), ("Safari/", "Safari"),
    ];

    /// <summary>The browser, or else the program's name, from a user agent; without versions, since programs update themselves.</summary>
    public static string Family(string? userAgent)
    {
        if (string.IsNullOrWhiteSpace(userAgent))
            return "unknown";
        foreach (var (token, family) in Families)
            if (userAgent.Contains(token, StringComparison.Ordinal))
                return family;
        return Cut(userAgent.Split('/', ' ')[0], LongestFamily);
    }

    /// <summary>Cuts a text from a client to the length that is stored and passed on. Foreign publishers do not limit it.</summary>
    [return: NotNullIfNotNull(nameof(text))]
    public static string? Cut(string? text) => text is null ? null : Cut(text, LongestText);

    /// <summary>The network of an address: the first 24 bits of IPv4, 48 of IPv6.</summary>
    public static string Network(string? ip)
    {
        if (!IPAddress.TryParse(ip, out var address))
            return "unknown";
        if (address.IsIPv4MappedToIPv6)
            address = address.MapToIPv4();
        var bytes = address.GetAddressBytes();
        var kept = address.AddressFamily == AddressFamily.InterNetwork ? Ipv4NetworkBytes : Ipv6NetworkBytes;
        bytes.AsSpan(kept).Clear();
        return $"{new IPAddress(bytes)}/{kept * 8}";
    }

    // PostgreSQL cannot store half of a surrogate pair.
    private static string Cut(string text, int longest) => text.Length <= longest ? text : text[..(char.IsHighSurrogate(text[longest - 1]) ? longest - 1 : longest)];
}
