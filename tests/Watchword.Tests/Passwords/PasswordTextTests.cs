using System.Globalization;
using System.Net;
using Watchword.Server.Passwords;
using Watchword.Tests.Tokens;

namespace Watchword.Tests.Passwords;

public class PasswordTextTests(ServerFixture fixture)
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
    public void A_password_is_normalized(string password, string expected) => Assert.Equal(expected, PasswordText.Normalize(password));

    // No theory: an attribute cannot hold an unpaired surrogate.
    [Fact]
    public void An_unpaired_surrogate_becomes_a_replacement_character() =>
        Assert.Equal("\uFFFDa\u00E9\uFFFD", PasswordText.Normalize("\uDC00ae\u0301\uD800"));

    [Fact]
    public async Task Every_character_that_both_know_and_many_random_runs_come_out_as_in_JavaScript()
    {
        var output = await Node.RunAsync("nfkc-cases.mjs");

        var changed = new HashSet<string>();
        var unknown = new List<(int First, int Last)>();
        foreach (var fields in output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => line.Split(' ')))
        {
            if (fields[0] == "unassigned")
            {
                unknown.Add((Hex(fields[1]), Hex(fields[2])));
                continue;
            }
            var text = Text(fields[0]);
            changed.Add(text);
            Assert.Equal(Text(fields[1]), PasswordText.Normalize(text));
        }
        Assert.True(changed.Count > 50_000);

        for (var point = 0; point <= 0x10FFFF; point++)
        {
            if (point is >= 0xD800 and <= 0xDFFF || unknown.Exists(u => u.First <= point && point <= u.Last))
                continue;
            var text = char.ConvertFromUtf32(point);
            if (!changed.Contains(text))
                Assert.Equal(text, PasswordText.Normalize(text));
        }
    }

    [Theory]
    [InlineData("p\u00E4ssw\u00F6rd", "pa\u0308sswo\u0308rd")]
    [InlineData("pa\u0308sswo\u0308rd", "p\u00E4ssw\u00F6rd")]
    [InlineData("\uFB01sh-\uFF11\uFF12\uFF13\uFF14", "fish-1234")]
    public async Task A_password_signs_in_composed_and_decomposed(string registered, string typed)
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync(registered);
        Assert.Equal(HttpStatusCode.OK, (await server.LoginAsync(person.Email, typed)).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await server.LoginAsync(person.Email, typed + "x")).Status);
    }

    // As small container images of .NET have it: .NET then returns every text unchanged.
    [Fact]
    public async Task A_server_that_cannot_normalize_does_not_start()
    {
        await using var server = new ServerProcess(("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "1"));

        Assert.Equal(78, await server.RunToEndAsync());

        await Eventually.TrueAsync(() => server.Output.Contains("libicu", StringComparison.Ordinal));
        Assert.StartsWith("Watchword cannot start: DOTNET_SYSTEM_GLOBALIZATION_INVARIANT is set", server.Output.Trim(), StringComparison.Ordinal);
        Assert.Empty(Directory.GetFileSystemEntries(server.DataFolder));
    }

    private static int Hex(string digits) => int.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);

    private static string Text(string hex) => string.Concat(hex.Chunk(4).Select(unit => (char)int.Parse(unit, NumberStyles.HexNumber, CultureInfo.InvariantCulture)));
}
