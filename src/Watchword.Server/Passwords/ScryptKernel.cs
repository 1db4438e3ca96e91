using System.Runtime.Intrinsics;

namespace Watchword.Server.Passwords;

/// <summary>One implementation of scryptROMix, for a number of independent blocks at once.</summary>
/// <remarks>
/// Each kernel computes two to four times the hashes of the one below it in about the same time, so the smallest one
/// that holds every waiting hash is the right one.
/// </remarks>
internal sealed unsafe class ScryptKernel
{
    private readonly delegate*<byte**, byte**, byte*, uint, int, void> _mix;
    private readonly int _rowBytes;

    private ScryptKernel(
        string name, int lanes, int rowBytes, bool isDiagonal, delegate*<byte**, byte**, byte*, uint, int, void> mix)
    {
        Name = name;
        Lanes = lanes;
        IsDiagonal = isDiagonal;
        _rowBytes = rowBytes;
        _mix = mix;
    }

    /// <summary>Plain code, for machines without vectors that .NET accelerates.</summary>
    public static ScryptKernel Scalar { get; } = new("scalar", 1, 16, isDiagonal: false, &ScalarRoMix.Mix);

    /// <summary>The kernels that this machine supports, by rising number of lanes.</summary>
    public static IReadOnlyList<ScryptKernel> Supported { get; } = Find();

    /// <summary>The most hashes that one call computes at once on this machine.</summary>
    public static int MaxLanes => Supported[^1].Lanes;

    /// <summary>Vector width and number of chains, for messages and tests.</summary>
    public string Name { get; }

    /// <summary>Blocks mixed in one call.</summary>
    public int Lanes { get; }

    /// <summary>Whether chunks are in diagonal order (<see cref="Salsa20{TRows, T}"/>) rather than in the RFC's.</summary>
    public bool IsDiagonal { get; }

    /// <summary>The smallest kernel for <paramref name="count"/> blocks, or the largest within <paramref name="maxLanes"/>.</summary>
    public static ScryptKernel For(int count, int maxLanes)
    {
        var best = Supported[0];
        foreach (var kernel in Supported)
        {
            if (best.Lanes >= count || kernel.Lanes > maxLanes)
                break;
            best = kernel;
        }

        return best;
    }

    /// <summary>Bytes of working memory that <see cref="Mix"/> needs: two blocks for each lane.</summary>
    public nuint ScratchBytes(int r) => (nuint)r * 16 * (nuint)_rowBytes;

    /// <summary>Mixes <see cref="Lanes"/> blocks in place; see <see cref="RoMix{TRows, T}.One"/> for the arguments.</summary>
    public void Mix(byte** blocks, byte** memory, byte* scratch, uint n, int r) => _mix(blocks, memory, scratch, n, r);

    private static List<ScryptKernel> Find()
    {
        if (!Rows128.IsSupported)
            return [Scalar];
        List<ScryptKernel> kernels =
        [
            new("128×1", 1, 16, isDiagonal: true, &RoMix<Rows128, Vector128<uint>>.One),
            new("128×2", 2, 32, isDiagonal: true, &RoMix<Rows128, Vector128<uint>>.Two),
        ];
        if (Rows256.IsSupported)
            kernels.Add(new("256×2", 4, 64, isDiagonal: true, &RoMix<Rows256, Vector256<uint>>.Two));
        if (Rows512.IsSupported)
            kernels.Add(new("512×2", 8, 128, isDiagonal: true, &RoMix<Rows512, Vector512<uint>>.Two));
        return kernels;
    }
}
