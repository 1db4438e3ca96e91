namespace Watchword.Nats;

/// <summary>Decimal numbers in protocol text: digits only, no sign, at most 18 of them.</summary>
internal static class Digits
{
    public static bool TryParse(ReadOnlySpan<byte> text, out long value)
    {
        value = 0;
        if (text.IsEmpty || text.Length > 18 && !TrimZeros(ref text))
            return false;
        foreach (var c in text)
        {
            var digit = c - '0';
            if ((uint)digit > 9)
                return false;
            value = value * 10 + digit;
        }

        return true;
    }

    /// <summary>19 digits can hold the nanoseconds of a time stamp, so they are let through when they fit.</summary>
    public static bool TryParse64(ReadOnlySpan<byte> text, out ulong value)
        => ulong.TryParse(text, System.Globalization.NumberStyles.None, provider: null, out value);

    private static bool TrimZeros(ref ReadOnlySpan<byte> text)
    {
        text = text.TrimStart((byte)'0');
        return text.Length <= 18;
    }
}
