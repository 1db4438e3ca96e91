using System.Diagnostics.CodeAnalysis;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Watchword.Server.Passwords;

/// <summary>Four hashes in a 512-bit vector: AVX-512F.</summary>
internal readonly struct Rows512 : IRows<Vector512<uint>>
{
    /// <summary>False also on hardware that has 512-bit vectors but slows down when it uses them.</summary>
    public static bool IsSupported => Avx512F.IsSupported && Vector512.IsHardwareAccelerated;

    public static int Lanes => 4;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Add(Vector512<uint> left, Vector512<uint> right) => left + right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Xor(Vector512<uint> left, Vector512<uint> right) => left ^ right;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> RotateLeft(Vector512<uint> row, [ConstantExpected] byte bits) => Avx512F.RotateLeft(row, bits);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Turn1(Vector512<uint> row) => Avx512F.Shuffle(row, 0b10_01_00_11);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Turn2(Vector512<uint> row) => Avx512F.Shuffle(row, 0b01_00_11_10);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<uint> Turn3(Vector512<uint> row) => Avx512F.Shuffle(row, 0b00_11_10_01);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void Load(
        byte** lanes, nint offset,
        out Vector512<uint> row0, out Vector512<uint> row1, out Vector512<uint> row2, out Vector512<uint> row3)
    {
        row0 = Vector512.Load((uint*)(lanes[0] + offset));
        row1 = Vector512.Load((uint*)(lanes[1] + offset));
        row2 = Vector512.Load((uint*)(lanes[2] + offset));
        row3 = Vector512.Load((uint*)(lanes[3] + offset));
        Transpose(ref row0, ref row1, ref row2, ref row3);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void Store(
        byte** lanes, nint offset,
        Vector512<uint> row0, Vector512<uint> row1, Vector512<uint> row2, Vector512<uint> row3)
    {
        Transpose(ref row0, ref row1, ref row2, ref row3);
        row0.Store((uint*)(lanes[0] + offset));
        row1.Store((uint*)(lanes[1] + offset));
        row2.Store((uint*)(lanes[2] + offset));
        row3.Store((uint*)(lanes[3] + offset));
    }

    /// <summary>A 4×4 transposition in units of 128 bits, between one vector for each lane and one for each row.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Transpose(
        ref Vector512<uint> a, ref Vector512<uint> b, ref Vector512<uint> c, ref Vector512<uint> d)
    {
        var ab01 = Avx512F.Shuffle4x128(a, b, 0b01_00_01_00);
        var ab23 = Avx512F.Shuffle4x128(a, b, 0b11_10_11_10);
        var cd01 = Avx512F.Shuffle4x128(c, d, 0b01_00_01_00);
        var cd23 = Avx512F.Shuffle4x128(c, d, 0b11_10_11_10);
        a = Avx512F.Shuffle4x128(ab01, cd01, 0b10_00_10_00);
        b = Avx512F.Shuffle4x128(ab01, cd01, 0b11_01_11_01);
        c = Avx512F.Shuffle4x128(ab23, cd23, 0b10_00_10_00);
        d = Avx512F.Shuffle4x128(ab23, cd23, 0b11_01_11_01);
    }
}
