using System.Buffers;
using System.Buffers.Binary;
using System.Collections.Frozen;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Watchword.Events.Contracts;

namespace Watchword.Events.Enrichment;

/// <summary>
/// Publishes the events of a subject for a share of the users only: <c>auth.user.token_refreshed=10%</c>, several rules
/// separated by commas. The user's id decides, the same way on every node, so a user's history is complete or absent.
/// </summary>
public sealed class EventSampling
{
    private const string Example = "for example auth.user.token_refreshed=10%";

    private static readonly SearchValues<char> Letters = SearchValues.Create("abcdefghijklmnopqrstuvwxyz_");

    private readonly FrozenDictionary<string, double> _shares;

    private EventSampling(IReadOnlyDictionary<string, double> shares) => _shares = shares.ToFrozenDictionary(StringComparer.Ordinal);

    /// <summary>Everything is published.</summary>
    public static EventSampling None { get; } = new(FrozenDictionary<string, double>.Empty);

    /// <summary>Whether every event is published.</summary>
    public bool IsOff => _shares.Count == 0;

    /// <summary>Parses the setting. Adds a line to <paramref name="faults"/> for every faulty rule.</summary>
    public static EventSampling Parse(string text, ICollection<string> faults)
    {
        var shares = new Dictionary<string, double>(StringComparer.Ordinal);
        foreach (var rule in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            var parts = rule.Split('=', StringSplitOptions.TrimEntries);
            if (parts.Length != 2)
                faults.Add($"has '{rule}': expected subject=share, {Example}");
            else if (!parts[0].StartsWith("auth.user.", StringComparison.Ordinal) || parts[0].Length == "auth.user.".Length
                || parts[0].AsSpan("auth.user.".Length).ContainsAnyExcept(Letters))
                faults.Add($"has '{rule}': only subjects auth.user.… can be sampled, {Example}");
            else if (!EventCatalogue.All.Any(t => t.Subject == parts[0]))
                faults.Add($"has '{rule}': no such event exists; choose from {string.Join(", ", EventCatalogue.All.Select(t => t.Subject).Where(Streams.IsAuthEvent))}");
            else if (!parts[1].EndsWith('%') || !double.TryParse(parts[1].AsSpan(0, parts[1].Length - 1), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var percent)
                || percent is not (>= 0 and <= 100))
                faults.Add($"has '{rule}': expected a share from 0% to 100%, {Example}");
            else if (!shares.TryAdd(parts[0], percent / 100))
                faults.Add($"names {parts[0]} twice");
        }
        return shares.Count == 0 ? None : new(shares);
    }

    /// <summary>Whether an event is left unpublished.</summary>
    public bool LeavesOut(string subject, string userId) =>
        _shares.Count > 0 && _shares.TryGetValue(subject, out var share) && Point(userId) >= share;

    // 53 bits of SHA-256 as a number in [0, 1). It must never change: another choice of users would tear their histories.
    private static double Point(string userId)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(userId), hash);
        return (BinaryPrimitives.ReadUInt64BigEndian(hash) >> 11) * (1.0 / (1UL << 53));
    }
}
