using System.Globalization;
using Watchword.Server.Passwords;

namespace Watchword.Tests.Passwords;

public class NfkcTests
{
    [Theory]
    [InlineData("ascii stays", "ascii stays")]
    [InlineData("\uFB01", "fi")]
    [InlineData("\uFF11\uFF12\uFF13", "123")]
    [InlineData("\u1100\u1161\u11A8", "\uAC01")]
    [InlineData("\uAC00\u11A8", "\uAC01")]
    [InlineData("e\u0301", "\u00E9")]
    [InlineData("\u212B", "\u00C5")]
    [InlineData("a\u0315\u0300\u05AE\u0323", "\u1EA1\u05AE\u0300\u0315")]
    [InlineData("\uD835\uDD04", "A")]
    public void A_text_is_normalized(string text, string expected) => Assert.Equal(expected, Nfkc.Normalize(text));

    [Fact]
    public async Task Every_character_and_many_random_runs_come_out_as_in_JavaScript()
    {
        var output = await Node.RunAsync("nfkc-cases.mjs");

        var changed = new HashSet<string>();
        var unknown = new List<(int First, int Last)>();
        foreach (var fields in output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' ')))
        {
            if (fields[0] == "unassigned")
            {
                unknown.Add((int.Parse(fields[1], NumberStyles.HexNumber, CultureInfo.InvariantCulture), int.Parse(fields[2], NumberStyles.HexNumber, CultureInfo.InvariantCulture)));
                continue;
            }

            Assert.True(
                Hex(Nfkc.Normalize(Text(fields[0]))) == fields[1],
                $"{fields[0]} should become {fields[1]}; if this Node's Unicode is newer, run nfkc-table.mjs again.");
            changed.Add(Text(fields[0]));
        }

        Assert.True(changed.Count > 50_000);
        for (var point = 0; point <= 0x10FFFF; point++)
        {
            if (point is >= 0xD800 and <= 0xDFFF || unknown.Exists(u => u.First <= point && point <= u.Last))
                continue;
            var text = char.ConvertFromUtf32(point);
            if (!changed.Contains(text))
                Assert.Equal(text, Nfkc.Normalize(text));
        }
    }

    private static string Text(string hex) =>
        string.Concat(hex.Chunk(4).Select(unit => (char)int.Parse(unit, NumberStyles.HexNumber, CultureInfo.InvariantCulture)));

    private static string Hex(string text) =>
        string.Concat(text.Select(unit => ((int)unit).ToString("x4", CultureInfo.InvariantCulture)));
}
