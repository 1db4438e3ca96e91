using System.Numerics;
using System.Runtime.CompilerServices;

namespace Watchword.Server.Passwords;

/// <summary>scryptROMix (RFC 7914, section 5) word by word, as the RFC writes it.</summary>
internal static unsafe class ScalarRoMix
{
    /// <inheritdoc cref="RoMix{TRows, T}.One"/>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Mix(byte** blocks, byte** memory, byte* scratch, uint n, int r)
    {
        var words = 32 * r;
        var x = (uint*)blocks[0];
        var v = (uint*)memory[0];
        var y = (uint*)scratch;
        for (uint i = 0; i < n; i++)
        {
            Copy(x, v + (nint)i * words, words);
            BlockMix(x, y, r);
        }

        for (uint i = 0; i < n; i++)
        {
            var block = v + (nint)(x[words - 16] & (n - 1)) * words;
            for (var k = 0; k < words; k++)
                x[k] ^= block[k];
            BlockMix(x, y, r);
        }
    }

    private static void BlockMix(uint* x, uint* y, int r)
    {
        var state = stackalloc uint[16];
        Copy(x + 32 * r - 16, state, 16);
        for (var k = 0; k < 2 * r; k++)
        {
            for (var w = 0; w < 16; w++)
                state[w] ^= x[16 * k + w];
            Salsa(state);
            Copy(state, y + 16 * ((k >> 1) + (k & 1) * r), 16);
        }

        Copy(y, x, 32 * r);
    }

    private static void Copy(uint* from, uint* to, int words) =>
        Unsafe.CopyBlockUnaligned(to, from, (uint)words * sizeof(uint));

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Salsa(uint* b)
    {
        var x = stackalloc uint[16];
        Copy(b, x, 16);
        for (var round = 0; round < 4; round++)
        {
            Quarter(x, 0, 4, 8, 12);
            Quarter(x, 5, 9, 13, 1);
            Quarter(x, 10, 14, 2, 6);
            Quarter(x, 15, 3, 7, 11);
            Quarter(x, 0, 1, 2, 3);
            Quarter(x, 5, 6, 7, 4);
            Quarter(x, 10, 11, 8, 9);
            Quarter(x, 15, 12, 13, 14);
        }

        for (var w = 0; w < 16; w++)
            b[w] += x[w];
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Quarter(uint* x, int a, int b, int c, int d)
    {
        x[b] ^= BitOperations.RotateLeft(x[a] + x[d], 7);
        x[c] ^= BitOperations.RotateLeft(x[b] + x[a], 9);
        x[d] ^= BitOperations.RotateLeft(x[c] + x[b], 13);
        x[a] ^= BitOperations.RotateLeft(x[d] + x[c], 18);
    }
}
