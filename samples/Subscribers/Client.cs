using System.Net;
using System.Net.Sockets;

namespace Watchword.Samples.Subscribers;

/// <summary>What of a client stays the same from login to login: its program, and the network that it is in.</summary>
internal static class Client
{
    private const int Ipv4NetworkBytes = 3;
    private const int Ipv6NetworkBytes = 6;
    private const int LongestFamily = 40;

    // The order matters: each names those before it too.
    private static readonly (string Token, string Family)[] Families =
    [
        ("Edg", "Edge"), ("OPR/", "Opera"), ("SamsungBrowser/", "Samsung Internet"), ("Firefox/", "Firefox"), ("FxiOS/", "Firefox"),
        ("CriOS/", "Chrome"), ("Chrome/", "Chrome"), ("Safari/", "Safari"),
    ];

    /// <summary>Of a user agent: the browser, else the program's name, without versions, which change by themselves.</summary>
    public static string Family(string? userAgent)
    {
        if (string.IsNullOrWhiteSpace(userAgent))
            return "unknown";
        foreach (var (token, family) in Families)
            if (userAgent.Contains(token, StringComparison.Ordinal))
                return family;
        var name = userAgent.Split('/', ' ')[0];
        // Half of a surrogate pair cannot be stored.
        return name.Length <= LongestFamily ? name : name[..(char.IsHighSurrogate(name[LongestFamily - 1]) ? LongestFamily - 1 : LongestFamily)];
    }

    /// <summary>Of an address: the first 24 bits of IPv4, 48 of IPv6.</summary>
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
}
