using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Watchword.Server.Passwords;

/// <summary>One hash in a 128-bit vector: SSE2, AVX-512VL or Arm NEON.</summary>
internal readonly struct Rows128 : IRows<Vector128<uint>>
{
    public static bool IsSupported => Vector128.IsHardwareAccelerated && BitConverter.IsLittleEndian;

    public static int Lanes => 1;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<uint> Add(Vector128<uint> left, Vector128<uint> right) => left + right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<uint> Xor(Vector128<uint> left, Vector128<uint> right) => left ^ right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<uint> RotateLeft(Vector128<uint> row, [ConstantExpected] byte bits) => Avx512F.VL.IsSupported
        ? Avx512F.VL.RotateLeft(row, bits)
        : (row << bits) | (row >>> (32 - bits));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<uint> Turn1(Vector128<uint> row) => Sse2.IsSupported
        ? Sse2.Shuffle(row, 0b10_01_00_11)
        : Vector128.Shuffle(row, Vector128.Create(3u, 0, 1, 2));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<uint> Turn2(Vector128<uint> row) => Sse2.IsSupported
        ? Sse2.Shuffle(row, 0b01_00_11_10)
        : Vector128.Shuffle(row, Vector128.Create(2u, 3, 0, 1));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector128<uint> Turn3(Vector128<uint> row) => Sse2.IsSupported
        ? Sse2.Shuffle(row, 0b00_11_10_01)
        : Vector128.Shuffle(row, Vector128.Create(1u, 2, 3, 0));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void Load(
        byte** lanes, nint offset,
        out Vector128<uint> row0, out Vector128<uint> row1, out Vector128<uint> row2, out Vector128<uint> row3)
    {
        var chunk = (uint*)(lanes[0] + offset);
        row0 = Vector128.Load(chunk);
        row1 = Vector128.Load(chunk + 4);
        row2 = Vector128.Load(chunk + 8);
        row3 = Vector128.Load(chunk + 12);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void Store(
        byte** lanes, nint offset,
        Vector128<uint> row0, Vector128<uint> row1, Vector128<uint> row2, Vector128<uint> row3)
    {
        var chunk = (uint*)(lanes[0] + offset);
        row0.Store(chunk);
        row1.Store(chunk + 4);
        row2.Store(chunk + 8);
        row3.Store(chunk + 12);
    }
}
