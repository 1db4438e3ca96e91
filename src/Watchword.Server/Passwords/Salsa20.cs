using System.Runtime.CompilerServices;

namespace Watchword.Server.Passwords;

/// <summary>The Salsa20/8 core (RFC 7914, section 3) on rows in diagonal order.</summary>
/// <remarks>
/// Four double rounds. The odd half works on columns, the even half on rows; turning three of the diagonals in between
/// brings the words of a row together, and turning them back restores the columns.
/// </remarks>
internal static class Salsa20<TRows, T>
    where TRows : IRows<T>
    where T : unmanaged
{
    /// <summary>Applies the core to the four rows of a chunk, in place.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void One(ref T a0, ref T a1, ref T a2, ref T a3)
    {
        var (s0, s1, s2, s3) = (a0, a1, a2, a3);
        for (var round = 0; round < 4; round++)
        {
            s1 = TRows.Xor(s1, TRows.RotateLeft(TRows.Add(s0, s3), 7));
            s2 = TRows.Xor(s2, TRows.RotateLeft(TRows.Add(s1, s0), 9));
            s3 = TRows.Xor(s3, TRows.RotateLeft(TRows.Add(s2, s1), 13));
            s0 = TRows.Xor(s0, TRows.RotateLeft(TRows.Add(s3, s2), 18));
            s1 = TRows.Turn1(s1);
            s2 = TRows.Turn2(s2);
            s3 = TRows.Turn3(s3);
            s3 = TRows.Xor(s3, TRows.RotateLeft(TRows.Add(s0, s1), 7));
            s2 = TRows.Xor(s2, TRows.RotateLeft(TRows.Add(s3, s0), 9));
            s1 = TRows.Xor(s1, TRows.RotateLeft(TRows.Add(s2, s3), 13));
            s0 = TRows.Xor(s0, TRows.RotateLeft(TRows.Add(s1, s2), 18));
            s1 = TRows.Turn3(s1);
            s2 = TRows.Turn2(s2);
            s3 = TRows.Turn1(s3);
        }

        a0 = TRows.Add(a0, s0);
        a1 = TRows.Add(a1, s1);
        a2 = TRows.Add(a2, s2);
        a3 = TRows.Add(a3, s3);
    }

    /// <summary>Applies the core to two chunks, their instructions alternating.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Two(
        ref T a0, ref T a1, ref T a2, ref T a3, ref T b0, ref T b1, ref T b2, ref T b3)
    {
        var (s0, s1, s2, s3) = (a0, a1, a2, a3);
        var (t0, t1, t2, t3) = (b0, b1, b2, b3);
        for (var round = 0; round < 4; round++)
        {
            s1 = TRows.Xor(s1, TRows.RotateLeft(TRows.Add(s0, s3), 7));
            t1 = TRows.Xor(t1, TRows.RotateLeft(TRows.Add(t0, t3), 7));
            s2 = TRows.Xor(s2, TRows.RotateLeft(TRows.Add(s1, s0), 9));
            t2 = TRows.Xor(t2, TRows.RotateLeft(TRows.Add(t1, t0), 9));
            s3 = TRows.Xor(s3, TRows.RotateLeft(TRows.Add(s2, s1), 13));
            t3 = TRows.Xor(t3, TRows.RotateLeft(TRows.Add(t2, t1), 13));
            s0 = TRows.Xor(s0, TRows.RotateLeft(TRows.Add(s3, s2), 18));
            t0 = TRows.Xor(t0, TRows.RotateLeft(TRows.Add(t3, t2), 18));
            s1 = TRows.Turn1(s1);
            t1 = TRows.Turn1(t1);
            s2 = TRows.Turn2(s2);
            t2 = TRows.Turn2(t2);
            s3 = TRows.Turn3(s3);
            t3 = TRows.Turn3(t3);
            s3 = TRows.Xor(s3, TRows.RotateLeft(TRows.Add(s0, s1), 7));
            t3 = TRows.Xor(t3, TRows.RotateLeft(TRows.Add(t0, t1), 7));
            s2 = TRows.Xor(s2, TRows.RotateLeft(TRows.Add(s3, s0), 9));
            t2 = TRows.Xor(t2, TRows.RotateLeft(TRows.Add(t3, t0), 9));
            s1 = TRows.Xor(s1, TRows.RotateLeft(TRows.Add(s2, s3), 13));
            t1 = TRows.Xor(t1, TRows.RotateLeft(TRows.Add(t2, t3), 13));
            s0 = TRows.Xor(s0, TRows.RotateLeft(TRows.Add(s1, s2), 18));
            t0 = TRows.Xor(t0, TRows.RotateLeft(TRows.Add(t1, t2), 18));
            s1 = TRows.Turn3(s1);
            t1 = TRows.Turn3(t1);
            s2 = TRows.Turn2(s2);
            t2 = TRows.Turn2(t2);
            s3 = TRows.Turn1(s3);
            t3 = TRows.Turn1(t3);
        }

        a0 = TRows.Add(a0, s0);
        a1 = TRows.Add(a1, s1);
        a2 = TRows.Add(a2, s2);
        a3 = TRows.Add(a3, s3);
        b0 = TRows.Add(b0, t0);
        b1 = TRows.Add(b1, t1);
        b2 = TRows.Add(b2, t2);
        b3 = TRows.Add(b3, t3);
    }
}
