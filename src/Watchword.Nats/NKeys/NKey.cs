using System.Buffers.Binary;
using System.Security.Cryptography;

namespace Watchword.Nats;

/// <summary>
/// An nkey: an Ed25519 key in the clothes that NATS gives it (base32, a prefix that says whose it is, a CRC-16). The
/// server holds the public part; who has the seed proves it by signing the server's nonce.
/// </summary>
internal sealed class NKey
{
    private const int SeedPrefix = 18 << 3; // 'S'
    private const int UserPrefix = 20 << 3; // 'U'
    private const int EncodedSeedLength = 2 + Ed25519.SeedLength + 2;

    private readonly byte[] _seed;
    private readonly int _prefix;

    private NKey(byte[] seed, int prefix) => (_seed, _prefix) = (seed, prefix);

    /// <summary>The public key as the server's configuration has it, such as "UDXU4…".</summary>
    public string PublicKey => Encode([(byte)_prefix], Ed25519.PublicKey(_seed));

    /// <summary>Reads a seed such as "SUAM…", of a user.</summary>
    /// <exception cref="FormatException">It is not one; the message does not repeat it.</exception>
    public static NKey FromSeed(string text)
    {
        var key = Decode(text);
        return key._prefix == UserPrefix
            ? key
            : throw new FormatException("The nkey seed is not a user's: a user's begins with SU. Operator and account keys do not connect.");
    }

    /// <summary>Signs the server's nonce; base64url without padding, as CONNECT wants it.</summary>
    public string SignNonce(string nonce)
        => System.Buffers.Text.Base64Url.EncodeToString(Ed25519.Sign(_seed, System.Text.Encoding.UTF8.GetBytes(nonce)));

    /// <summary>A new key of a kind: 'U' for a user, 'A' for an account, 'O' for an operator.</summary>
    internal static NKey Create(char kind = 'U') => new(RandomNumberGenerator.GetBytes(Ed25519.SeedLength), (kind - 'A') << 3);

    internal byte[] Sign(ReadOnlySpan<byte> message) => Ed25519.Sign(_seed, message);

    /// <summary>The seed in its text form. Whoever has it is this user.</summary>
    internal string ToSeed()
        => Encode([(byte)(SeedPrefix | (_prefix >> 5)), (byte)((_prefix & 31) << 3)], _seed);

    private static NKey Decode(string text)
    {
        const string Fault = "The nkey seed cannot be read: it is 58 characters of A-Z and 2-7 that begin with S.";
        var bytes = Base32.Decode(text.Trim()) ?? throw new FormatException(Fault);
        if (bytes.Length != EncodedSeedLength || (bytes[0] & 0xF8) != SeedPrefix)
            throw new FormatException(Fault);
        if (BinaryPrimitives.ReadUInt16LittleEndian(bytes.AsSpan(^2..)) != Crc16(bytes.AsSpan(..^2)))
            throw new FormatException("The nkey seed's checksum does not match: it was mistyped or cut.");
        return new NKey(bytes[2..^2], ((bytes[0] & 7) << 5) | ((bytes[1] & 0xF8) >> 3));
    }

    private static string Encode(byte[] prefix, byte[] key)
    {
        byte[] bytes = [.. prefix, .. key, 0, 0];
        BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(^2..), Crc16(bytes.AsSpan(..^2)));
        return Base32.Encode(bytes);
    }

    /// <summary>CRC-16/XMODEM: polynomial 0x1021, from zero.</summary>
    private static ushort Crc16(ReadOnlySpan<byte> bytes)
    {
        var crc = 0;
        foreach (var b in bytes)
        {
            crc ^= b << 8;
            for (var bit = 0; bit < 8; bit++)
                crc = (crc & 0x8000) != 0 ? (crc << 1) ^ 0x1021 : crc << 1;
        }

        return (ushort)crc;
    }
}
