using System.Globalization;
using System.Runtime.InteropServices;

namespace Watchword.Server.Passwords;

/// <summary>The cost of a scrypt hash (RFC 7914, section 2).</summary>
/// <param name="LogN">Base-2 logarithm of N, the number of blocks in memory and the rounds of mixing: 1..24.</param>
/// <param name="R">Block size: a block has 128·r bytes; 1 or more.</param>
/// <param name="P">Number of independent blocks: 1 or more, r·p below 2^30.</param>
[StructLayout(LayoutKind.Auto)]
internal readonly record struct ScryptParameters(int LogN, int R, int P)
{
    /// <summary>The most memory that one mixing may take: 1 GiB.</summary>
    public const long MaxMemory = 1L << 30;

    private const int MaxLogN = 24;

    /// <summary>Better Auth's cost: N = 16384, r = 16, p = 1; 32 MiB for each hash.</summary>
    public static ScryptParameters BetterAuth => new(14, 16, 1);

    /// <summary>The cost N.</summary>
    public int N => 1 << LogN;

    /// <summary>Bytes of one block, 128·r.</summary>
    public int BlockBytes => 128 * R;

    /// <summary>Bytes of memory of one mixing, 128·N·r.</summary>
    public long Memory => 128L * R << LogN;

    /// <summary>Work in units of one block's mixing, N·r·p; proportional to the time.</summary>
    public long Work => ((long)R * P) << LogN;

    /// <summary>Creates parameters from a plain N.</summary>
    /// <exception cref="ArgumentException">The parameters are not valid; the message says why.</exception>
    public static ScryptParameters Create(long n, int r, int p)
    {
        if (n < 2 || !long.IsPow2(n))
            throw new ArgumentException("scrypt: N must be a power of two above 1, not " + n.ToString(CultureInfo.InvariantCulture), nameof(n));
        var parameters = new ScryptParameters((int)Math.Min(long.Log2(n), int.MaxValue), r, p);
        parameters.ThrowIfInvalid();
        return parameters;
    }

    /// <summary>Why these parameters cannot be used; null if they can.</summary>
    public string? Fault()
    {
        if (LogN is < 1 or > MaxLogN)
            return "scrypt: log2(N) must lie within 1..24";
        if (R < 1 || P < 1 || (long)R * P >= 1 << 30)
            return "scrypt: r and p must be 1 or more, and r·p below 2^30";
        if (LogN >= 16L * R)
            return "scrypt: N must be below 2^(16·r)";
        if (128L * R << LogN > MaxMemory || 128L * R * P > MaxMemory)
            return "scrypt: 128·N·r and 128·r·p must not exceed 1 GiB";
        return null;
    }

    /// <summary>Refuses parameters that cannot be used.</summary>
    /// <exception cref="ArgumentException">They cannot be used; the message says why.</exception>
    public void ThrowIfInvalid()
    {
        if (Fault() is { } fault)
            throw new ArgumentException(fault, paramName: null);
    }
}
