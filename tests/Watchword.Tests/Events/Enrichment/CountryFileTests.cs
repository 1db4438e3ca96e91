using System.Net;
using System.Text;
using Watchword.Events.Enrichment;

namespace Watchword.Tests.Events.Enrichment;

public sealed class CountryFileTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("watchword-countries-");
    private readonly LogCapture _logs = new();

    private string Path => System.IO.Path.Combine(_folder.FullName, "countries.mmdb");

    public void Dispose()
    {
        _logs.Dispose();
        _folder.Delete(recursive: true);
    }

    private CountryFile Open(byte[] content)
    {
        File.WriteAllBytes(Path, content);
        return new(Path, TimeSpan.FromMilliseconds(20), _logs.CreateLogger("test"));
    }

    [Theory]
    [InlineData("203.0.112.255", null)]
    [InlineData("203.0.113.0", "NL")]
    [InlineData("203.0.113.128", "BE")]
    [InlineData("203.0.114.0", null)]
    [InlineData("::ffff:203.0.113.200", "BE")]
    [InlineData("2001:db8::1", "SE")]
    [InlineData("2001:db9::", null)]
    public void An_address_is_looked_up_and_the_longest_prefix_wins(string address, string? country)
    {
        using var countries = Open(CountryDatabase.Of(("203.0.113.0/24", "NL"), ("203.0.113.128/25", "BE"), ("2001:db8::/32", "SE")));
        Assert.Equal(country, countries.Find(IPAddress.Parse(address)));
    }

    [Fact]
    public void The_country_of_registration_stands_in_for_an_unknown_place()
    {
        using var countries = Open(CountryDatabase.Of("registered_country", 6, ("203.0.113.0/24", "NL")));
        Assert.Equal("NL", countries.Find(IPAddress.Parse("203.0.113.7")));
    }

    [Fact]
    public void A_database_without_IPv6_knows_no_country_of_an_IPv6_address()
    {
        using var countries = Open(CountryDatabase.Of("country", 4, ("203.0.113.0/24", "NL")));
        Assert.Equal("NL", countries.Find(IPAddress.Parse("203.0.113.7")));
        Assert.Equal("NL", countries.Find(IPAddress.Parse("::ffff:203.0.113.7")));
        Assert.Null(countries.Find(IPAddress.Parse("2001:db8::1")));
    }

    [Fact]
    public void A_database_without_countries_is_refused()
    {
        var refusal = Assert.Throws<FormatException>(() => Open(CountryDatabase.Of("autonomous_system", 6, ("203.0.113.0/24", "NL"))));
        Assert.StartsWith("is a MaxMind DB of type 'Test-Country' without country.iso_code: provide ", refusal.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("192.0.2.0/24,NL\n")]
    [InlineData("nonsense \u00ab\u00cd\u00ef MaxMind.com")]
    public void A_text_file_is_refused_with_a_remedy(string text)
    {
        var refusal = Assert.Throws<FormatException>(() => Open(Encoding.UTF8.GetBytes(text)));
        Assert.StartsWith("is not a MaxMind DB: provide an .mmdb file such as GeoLite2-Country", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_database_cut_off_anywhere_is_refused()
    {
        var whole = CountryDatabase.Of(("203.0.113.0/24", "NL"));
        for (var length = 0; length < whole.Length; length++)
            Assert.Throws<FormatException>(() => Open(whole[..length]));
    }

    [Fact]
    public async Task A_changed_file_is_reloaded_and_a_half_written_one_is_not()
    {
        using var countries = Open(CountryDatabase.Of(("203.0.113.0/24", "NL")));
        var next = CountryDatabase.Of(("203.0.113.0/24", "FR"), ("198.51.100.0/24", "FR"));

        await File.WriteAllBytesAsync(Path, next[..^5], TestContext.Current.CancellationToken);
        await _logs.LineAsync(2053);
        Assert.Equal("NL", countries.Find(IPAddress.Parse("203.0.113.7")));

        await File.WriteAllBytesAsync(Path, next, TestContext.Current.CancellationToken);
        await Eventually.TrueAsync(() => countries.Find(IPAddress.Parse("203.0.113.7")) == "FR");
    }

    [Fact]
    public async Task A_missing_file_is_logged_once_and_the_countries_stay()
    {
        using var countries = Open(CountryDatabase.Of(("203.0.113.0/24", "NL")));

        File.Delete(Path);
        await _logs.LineAsync(2053);
        Assert.Equal("NL", countries.Find(IPAddress.Parse("203.0.113.7")));

        await File.WriteAllBytesAsync(Path + ".new", CountryDatabase.Of(("203.0.113.0/24", "FR")), TestContext.Current.CancellationToken);
        File.Move(Path + ".new", Path);
        await Eventually.TrueAsync(() => countries.Find(IPAddress.Parse("203.0.113.7")) == "FR");
        Assert.Single(_logs.Of(2053));
    }

    [Fact]
    public void A_damaged_record_costs_its_country_alone_and_is_logged_once()
    {
        var content = CountryDatabase.Of(("192.0.2.0/24", "NL"), ("203.0.113.0/24", "XQ"));
        // The record of XQ: its code becomes a pointer to nowhere.
        var at = content.AsSpan().LastIndexOf("XQ"u8) - 1;
        content.AsSpan(at, 3).Fill(0x3F);
        using var countries = Open(content);

        Assert.Null(countries.Find(IPAddress.Parse("203.0.113.7")));
        Assert.Null(countries.Find(IPAddress.Parse("203.0.113.8")));
        Assert.Equal("NL", countries.Find(IPAddress.Parse("192.0.2.1")));
        Assert.Single(_logs.Of(2054));
    }

    // As Kubernetes updates a mounted file: its name leads through a link to a folder, and the link is turned to another folder.
    [Fact]
    public async Task A_file_behind_links_is_reloaded_when_they_are_turned()
    {
        // Of different sizes: both may be written in the same tick of the file system's clock.
        foreach (var (version, content) in ((string, byte[])[])[
            ("v1", CountryDatabase.Of(("203.0.113.0/24", "NL"))), ("v2", CountryDatabase.Of(("203.0.113.0/24", "FR"), ("198.51.100.0/24", "FR")))])
            await File.WriteAllBytesAsync(System.IO.Path.Combine(_folder.CreateSubdirectory(version).FullName, "countries.mmdb"), content, TestContext.Current.CancellationToken);
        var data = System.IO.Path.Combine(_folder.FullName, "..data");
        Directory.CreateSymbolicLink(data, "v1");
        File.CreateSymbolicLink(Path, System.IO.Path.Combine("..data", "countries.mmdb"));
        using var countries = new CountryFile(Path, TimeSpan.FromMilliseconds(20), _logs.CreateLogger("test"));
        Assert.Equal("NL", countries.Find(IPAddress.Parse("203.0.113.7")));

        Directory.CreateSymbolicLink(data + "_tmp", "v2");
        Directory.Move(data, data + "_old");
        Directory.Move(data + "_tmp", data);
        await Eventually.TrueAsync(() => countries.Find(IPAddress.Parse("203.0.113.7")) == "FR");
    }
}
