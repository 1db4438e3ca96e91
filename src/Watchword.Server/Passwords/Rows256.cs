using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Watchword.Server.Passwords;

/// <summary>Two hashes in a 256-bit vector: AVX2, with the rotation of AVX-512VL if available.</summary>
internal readonly struct Rows256 : IRows<Vector256<uint>>
{
    public static bool IsSupported => Avx2.IsSupported;

    public static int Lanes => 2;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> Add(Vector256<uint> left, Vector256<uint> right) => left + right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> Xor(Vector256<uint> left, Vector256<uint> right) => left ^ right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> RotateLeft(Vector256<uint> row, [ConstantExpected] byte bits) => Avx512F.VL.IsSupported
        ? Avx512F.VL.RotateLeft(row, bits)
        : (row << bits) | (row >>> (32 - bits));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> Turn1(Vector256<uint> row) => Avx2.Shuffle(row, 0b10_01_00_11);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> Turn2(Vector256<uint> row) => Avx2.Shuffle(row, 0b01_00_11_10);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<uint> Turn3(Vector256<uint> row) => Avx2.Shuffle(row, 0b00_11_10_01);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void Load(
        byte** lanes, nint offset,
        out Vector256<uint> row0, out Vector256<uint> row1, out Vector256<uint> row2, out Vector256<uint> row3)
    {
        var a = (uint*)(lanes[0] + offset);
        var b = (uint*)(lanes[1] + offset);
        var (a01, a23) = (Vector256.Load(a), Vector256.Load(a + 8));
        var (b01, b23) = (Vector256.Load(b), Vector256.Load(b + 8));
        row0 = Avx2.Permute2x128(a01, b01, 0x20);
        row1 = Avx2.Permute2x128(a01, b01, 0x31);
        row2 = Avx2.Permute2x128(a23, b23, 0x20);
        row3 = Avx2.Permute2x128(a23, b23, 0x31);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void Store(
        byte** lanes, nint offset,
        Vector256<uint> row0, Vector256<uint> row1, Vector256<uint> row2, Vector256<uint> row3)
    {
        var a = (uint*)(lanes[0] + offset);
        var b = (uint*)(lanes[1] + offset);
        Avx2.Permute2x128(row0, row1, 0x20).Store(a);
        Avx2.Permute2x128(row2, row3, 0x20).Store(a + 8);
        Avx2.Permute2x128(row0, row1, 0x31).Store(b);
        Avx2.Permute2x128(row2, row3, 0x31).Store(b + 8);
    }
}
