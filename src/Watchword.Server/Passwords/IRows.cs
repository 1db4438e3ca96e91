using System.Diagnostics.CodeAnalysis;

namespace Watchword.Server.Passwords;

/// <summary>
/// The vector operations of <see cref="RoMix{TRows, T}"/>: a vector holds one row of four words of Salsa20's state
/// for each of <see cref="Lanes"/> independent hashes.
/// </summary>
/// <remarks>
/// A row is a diagonal of the 4×4 matrix, so that a quarter round works on whole rows, and only turns move words.
/// One generic mixing function over this interface serves 128, 256 and 512 bits.
/// </remarks>
internal interface IRows<T>
    where T : unmanaged
{
    /// <summary>Whether this machine runs these operations in hardware.</summary>
    static abstract bool IsSupported { get; }

    /// <summary>Independent hashes in one vector: 1, 2 or 4.</summary>
    static abstract int Lanes { get; }

    static abstract T Add(T left, T right);

    static abstract T Xor(T left, T right);

    /// <summary>Rotates each word left by a constant number of bits.</summary>
    static abstract T RotateLeft(T row, [ConstantExpected] byte bits);

    /// <summary>Moves each word one place up within its row; the last becomes the first.</summary>
    static abstract T Turn1(T row);

    /// <summary>Moves each word two places within its row.</summary>
    static abstract T Turn2(T row);

    /// <summary>Moves each word three places up, that is, one place down.</summary>
    static abstract T Turn3(T row);

    /// <summary>Gathers one 64-byte chunk of each lane into four rows; <paramref name="lanes"/> holds one pointer for each lane.</summary>
    static abstract unsafe void Load(byte** lanes, nint offset, out T row0, out T row1, out T row2, out T row3);

    /// <summary>The reverse of <see cref="Load"/>.</summary>
    static abstract unsafe void Store(byte** lanes, nint offset, T row0, T row1, T row2, T row3);
}
