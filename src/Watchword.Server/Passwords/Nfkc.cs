using System.Text;

namespace Watchword.Server.Passwords;

/// <summary>Unicode normalization form NFKC (Unicode Standard Annex 15).</summary>
/// <remarks>
/// Better Auth normalizes a password before it hashes it, so the same text must come out here. .NET's own
/// <see cref="string.Normalize()"/> returns its input unchanged under invariant globalization, and else depends on the
/// machine's ICU library. Unlike it, this passes unpaired surrogates through, as JavaScript does.
/// </remarks>
internal static class Nfkc
{
    private const int HangulFirst = 0xAC00, HangulCount = 11172;
    private const int LeadFirst = 0x1100, LeadCount = 19;
    private const int VowelFirst = 0x1161, VowelCount = 21;
    private const int TrailBase = 0x11A7, TrailCount = 28;

    /// <summary>The normalized text; the same instance if it is plain ASCII.</summary>
    public static string Normalize(string text)
    {
        if (Ascii.IsValid(text))
            return text;
        var points = Decompose(text);
        Order(points);
        return ToText(Compose(points));
    }

    private static List<int> Decompose(string text)
    {
        var points = new List<int>(text.Length + 8);
        for (var i = 0; i < text.Length; i++)
        {
            int point = text[i];
            if (i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1]))
                point = char.ConvertToUtf32(text[i], text[++i]);

            if (point - HangulFirst is >= 0 and < HangulCount)
            {
                var syllable = point - HangulFirst;
                points.Add(LeadFirst + syllable / (VowelCount * TrailCount));
                points.Add(VowelFirst + syllable / TrailCount % VowelCount);
                if (syllable % TrailCount != 0)
                    points.Add(TrailBase + syllable % TrailCount);
            }
            else if (NfkcData.Decompositions.TryGetValue(point, out var parts))
            {
                points.AddRange(parts);
            }
            else
            {
                points.Add(point);
            }
        }

        return points;
    }

    /// <summary>Sorts each run of combining marks by class; marks of one class keep their order.</summary>
    private static void Order(List<int> points)
    {
        for (var start = 0; start < points.Count; start++)
        {
            var end = start;
            while (end < points.Count && NfkcData.Class(points[end]) != 0)
                end++;
            if (end - start > 1)
            {
                // OrderBy is stable, and stays fast on a hostile run of thousands of marks.
                var sorted = points.GetRange(start, end - start).OrderBy(NfkcData.Class).ToList();
                for (var i = 0; i < sorted.Count; i++)
                    points[start + i] = sorted[i];
            }

            start = end;
        }
    }

    private static List<int> Compose(List<int> points)
    {
        var result = new List<int>(points.Count);
        var starter = -1;
        var last = 0;
        foreach (var point in points)
        {
            var mark = NfkcData.Class(point);
            // Blocked is a mark behind another of the same or a higher class, since the last starter.
            if (starter >= 0 && (starter == result.Count - 1 || last < mark)
                && Pair(result[starter], point) is { } composite)
            {
                result[starter] = composite;
                continue;
            }

            if (mark == 0)
                starter = result.Count;
            last = mark;
            result.Add(point);
        }

        return result;
    }

    private static int? Pair(int first, int second)
    {
        if (first - LeadFirst is >= 0 and < LeadCount && second - VowelFirst is >= 0 and < VowelCount)
            return HangulFirst + ((first - LeadFirst) * VowelCount + second - VowelFirst) * TrailCount;
        if (first - HangulFirst is >= 0 and < HangulCount && (first - HangulFirst) % TrailCount == 0
            && second - TrailBase is > 0 and < TrailCount)
            return first + second - TrailBase;
        return NfkcData.Compositions.TryGetValue((first, second), out var composite) ? composite : null;
    }

    private static string ToText(List<int> points)
    {
        var text = new StringBuilder(points.Count + 8);
        foreach (var point in points)
        {
            if (point > 0xFFFF)
                text.Append(char.ConvertFromUtf32(point));
            else
                text.Append((char)point);
        }

        return text.ToString();
    }
}
