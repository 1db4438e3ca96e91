namespace Watchword.Nats;

/// <summary>Base32 without padding (RFC 4648, section 6), which nkeys are written in; the framework has none.</summary>
internal static class Base32
{
    private const string Alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

    public static string Encode(ReadOnlySpan<byte> bytes)
    {
        var text = new char[(bytes.Length * 8 + 4) / 5];
        var (bits, count, at) = (0, 0, 0);
        foreach (var b in bytes)
        {
            (bits, count) = ((bits << 8 | b) & 0xFFF, count + 8);
            for (; count >= 5; count -= 5)
                text[at++] = Alphabet[bits >> (count - 5) & 31];
        }

        if (count > 0)
            text[at] = Alphabet[bits << (5 - count) & 31];
        return new string(text);
    }

    /// <summary>Null when it holds other characters.</summary>
    public static byte[]? Decode(string text)
    {
        var bytes = new byte[text.Length * 5 / 8];
        var (bits, count, at) = (0, 0, 0);
        foreach (var c in text)
        {
            var value = Alphabet.IndexOf(c, StringComparison.Ordinal);
            if (value < 0)
                return null;
            (bits, count) = ((bits << 5 | value) & 0xFFF, count + 5);
            if (count < 8)
                continue;
            count -= 8;
            bytes[at++] = (byte)(bits >> count);
        }

        return bytes;
    }
}
