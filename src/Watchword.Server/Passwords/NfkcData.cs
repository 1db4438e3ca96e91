using System.Globalization;

namespace Watchword.Server.Passwords;

/// <summary>The tables of <see cref="Nfkc"/>, read from Nfkc.txt when the first password beyond ASCII arrives.</summary>
internal static class NfkcData
{
    private static readonly Dictionary<int, byte> Classes = [];

    // A static constructor rather than initializers: one pass over the file fills all three tables.
#pragma warning disable CA1810
    static NfkcData()
#pragma warning restore CA1810
    {
        using var stream = typeof(NfkcData).Assembly.GetManifestResourceStream("Nfkc.txt")
            ?? throw new InvalidOperationException("Nfkc.txt is not embedded.");
        using var reader = new StreamReader(stream);
        while (reader.ReadLine() is { } line)
        {
            var fields = line.Split(' ');
            switch (fields[0])
            {
                case "D":
                    Decompositions.Add(Hex(fields[1]), [.. fields.Skip(2).Select(Hex)]);
                    break;
                case "P":
                    Compositions.Add((Hex(fields[2]), Hex(fields[3])), Hex(fields[1]));
                    break;
                case "C":
                    Classes.Add(Hex(fields[1]), byte.Parse(fields[2], CultureInfo.InvariantCulture));
                    break;
            }
        }
    }

    /// <summary>Each character that has a compatibility decomposition, to the whole of it; Hangul is computed.</summary>
    public static Dictionary<int, int[]> Decompositions { get; } = [];

    /// <summary>Two characters, to the one that they compose to.</summary>
    public static Dictionary<(int First, int Second), int> Compositions { get; } = [];

    /// <summary>The canonical combining class; 0 for a starter.</summary>
    public static int Class(int point) => Classes.GetValueOrDefault(point);

    private static int Hex(string text) => int.Parse(text, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
}
