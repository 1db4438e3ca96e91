using System.Buffers;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace Watchword.Server.Passwords;

/// <summary>A stored password hash: cost, salt and derived key.</summary>
/// <remarks>
/// A hash of Better Auth's cost has Better Auth's format, <c>saltHex:keyHex</c>, where the salt is the ASCII of the
/// hexadecimal text itself. That format has no room for a cost, so any other cost is stored as a PHC string,
/// <c>$scrypt$ln=15,r=8,p=1$salt$key</c>, in base64 without padding.
/// </remarks>
internal sealed record PasswordHash(ScryptParameters Cost, byte[] Salt, byte[] Key)
{
    private const int SaltBytes = 16, KeyBytes = 64;
    private const long MaxMemory = 256 << 20;
    private const long MaxWork = 1 << 22;
    private const int MaxLength = 512;

    private static readonly SearchValues<char> LowerHex = SearchValues.Create("0123456789abcdef");

    /// <summary>A new hash with a random salt, and a key of zeros that is still to be derived.</summary>
    public static PasswordHash Prepare(ScryptParameters cost)
    {
        var random = RandomNumberGenerator.GetBytes(SaltBytes);
        var salt = cost == ScryptParameters.BetterAuth ? Encoding.ASCII.GetBytes(Convert.ToHexStringLower(random)) : random;
        return new PasswordHash(cost, salt, new byte[KeyBytes]);
    }

    /// <summary>Whether a hash of this cost is computed at all: a hostile row must not exhaust memory or time.</summary>
    public static bool IsAffordable(ScryptParameters cost) =>
        cost.Fault() is null && cost.Memory <= MaxMemory && cost.Work <= MaxWork;

    /// <summary>Parses a stored hash; null if it is malformed or not <see cref="IsAffordable"/>.</summary>
    public static PasswordHash? TryParse(string? stored)
    {
        if (stored is null || stored.Length > MaxLength)
            return null;
        return stored.StartsWith('$') ? TryParsePhc(stored) : TryParseBetterAuth(stored);
    }

    /// <summary>The text to store.</summary>
    public override string ToString() => Cost == ScryptParameters.BetterAuth
        ? Encoding.ASCII.GetString(Salt) + ":" + Convert.ToHexStringLower(Key)
        : string.Create(CultureInfo.InvariantCulture, $"$scrypt$ln={Cost.LogN},r={Cost.R},p={Cost.P}${ToBase64(Salt)}${ToBase64(Key)}");

    private static PasswordHash? TryParseBetterAuth(string stored)
    {
        var colon = stored.IndexOf(':', StringComparison.Ordinal);
        if (colon < 1 || stored.Length - colon - 1 != 2 * KeyBytes)
            return null;
        var key = stored.AsSpan(colon + 1);
        if (key.ContainsAnyExcept(LowerHex) || !Ascii.IsValid(stored))
            return null;
        return new PasswordHash(ScryptParameters.BetterAuth, Encoding.ASCII.GetBytes(stored[..colon]), Convert.FromHexString(key));
    }

    private static PasswordHash? TryParsePhc(string stored)
    {
        var fields = stored.Split('$');
        if (fields.Length != 5 || fields[1] != "scrypt")
            return null;
        var costs = fields[2].Split(',');
        if (costs.Length != 3
            || Number(costs[0], "ln=") is not { } logN
            || Number(costs[1], "r=") is not { } r
            || Number(costs[2], "p=") is not { } p)
            return null;
        var cost = new ScryptParameters(logN, r, p);
        if (!IsAffordable(cost)
            || FromBase64(fields[3]) is not { Length: >= 8 and <= 64 } salt
            || FromBase64(fields[4]) is not { Length: >= 16 and <= 128 } key)
            return null;
        return new PasswordHash(cost, salt, key);
    }

    /// <summary>A decimal number without sign or leading zeros.</summary>
    private static int? Number(string text, string name) =>
        text.StartsWith(name, StringComparison.Ordinal) && text.Length > name.Length && text[name.Length] != '0'
        && int.TryParse(text.AsSpan(name.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var number)
            ? number
            : null;

    private static string ToBase64(byte[] bytes) => Convert.ToBase64String(bytes).TrimEnd('=');

    private static byte[]? FromBase64(string text)
    {
        var bytes = new byte[text.Length];
        var padded = text.PadRight((text.Length + 3) / 4 * 4, '=');
        // The comparison refuses padding, white space and stray trailing bits, which the decoder accepts.
        return Convert.TryFromBase64String(padded, bytes, out var length) && ToBase64(bytes[..length]) == text
            ? bytes[..length]
            : null;
    }
}
