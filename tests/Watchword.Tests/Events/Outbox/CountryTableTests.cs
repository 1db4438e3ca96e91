using System.Net;
using FsCheck;
using FsCheck.Fluent;
using Watchword.Events.Outbox;

namespace Watchword.Tests.Events.Outbox;

public class CountryTableTests
{
    private static CountryTable Read(params string[] lines)
    {
        var faults = new List<string>();
        var table = CountryTable.Read(lines, faults);
        Assert.Empty(faults);
        return table;
    }

    [Theory]
    [InlineData("10.0.0.0", "NL")]
    [InlineData("9.255.255.255", null)]
    [InlineData("10.1.255.255", "NL")]
    [InlineData("10.2.0.0", "BE")]
    [InlineData("10.2.3.4", "FR")]
    [InlineData("10.2.3.5", "BE")]
    [InlineData("10.2.255.255", "BE")]
    [InlineData("10.3.0.0", "NL")]
    [InlineData("10.255.255.255", "NL")]
    [InlineData("11.0.0.0", null)]
    [InlineData("::ffff:10.2.3.4", "FR")]
    [InlineData("2001:db8::1", "SE")]
    [InlineData("2001:db8:1::1", "NO")]
    [InlineData("2001:db9::", null)]
    [InlineData("255.255.255.255", "DE")]
    [InlineData("ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff", "IT")]
    public void The_longest_prefix_wins(string address, string? country)
    {
        var table = Read("# all of it", "", "10.2.3.4/32,FR", " 10.0.0.0/8 , NL ", "10.2.0.0/16,BE # inner", "2001:db8::/32,SE", "2001:db8:1::/48,NO", "255.255.255.255/32,DE", "ffff::/16,IT");
        Assert.Equal(country, table.Find(IPAddress.Parse(address)));
        Assert.Equal(7, table.Networks);
    }

    [Fact]
    public void Of_two_lines_for_one_network_the_later_counts()
    {
        var lines = Enumerable.Range(0, 200).Select(i => $"10.0.0.0/8,A{(char)('A' + i % 26)}").Append("10.0.0.0/8,ZZ");
        Assert.Equal("ZZ", Read([.. lines]).Find(IPAddress.Parse("10.1.2.3")));
    }

    [Fact]
    public void Host_bits_do_not_matter_and_the_whole_of_the_internet_is_a_network()
    {
        var table = Read("192.0.2.77/24,NL", "0.0.0.0/0,US", "::/0,CH");
        Assert.Equal("NL", table.Find(IPAddress.Parse("192.0.2.1")));
        Assert.Equal("US", table.Find(IPAddress.Parse("8.8.8.8")));
        Assert.Equal("CH", table.Find(IPAddress.Parse("2001:db8::1")));
        Assert.Null(Read().Find(IPAddress.Loopback));
    }

    [Fact]
    public void Any_table_answers_as_a_search_of_all_its_lines_does()
    {
        var networks = Gen.Zip(Gen.Choose(0, 255), Gen.Choose(0, 8)).ArrayOf();
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(300), Prop.ForAll(networks.ToArbitrary(), lines =>
        {
            // All in the last byte of 10.0.0.0/24, so that they overlap.
            var table = Read([.. lines.Select((n, i) => $"10.0.0.{n.Item1}/{24 + n.Item2},{Name(i)}")]);
            for (var host = 0; host < 256; host++)
            {
                var holding = lines.Select((n, i) => (Prefix: n.Item2, Name: Name(i), Holds: n.Item1 >> (8 - n.Item2) == host >> (8 - n.Item2))).Where(n => n.Holds).ToList();
                var found = table.Find(new IPAddress([10, 0, 0, (byte)host]));
                if (holding.Count == 0 ? found is not null : holding.All(n => n.Prefix != holding.Max(h => h.Prefix) || n.Name != found))
                    return false;
            }
            return true;
        }));

        static string Name(int i) => $"{(char)('A' + i / 26 % 26)}{(char)('A' + i % 26)}";
    }

    [Theory]
    [InlineData("192.0.2.0/24")]
    [InlineData("192.0.2.0,NL")]
    [InlineData("192.0.2.0/33,NL")]
    [InlineData("192.0.2.0/-1,NL")]
    [InlineData("192.0.2/24,NL")]
    [InlineData("010.0.0.0/8,NL")]
    [InlineData("2001:db8::/129,NL")]
    [InlineData("192.0.2.0/24,nl")]
    [InlineData("192.0.2.0/24,NLD")]
    [InlineData("192.0.2.0/24,NL,more")]
    [InlineData("/24,NL")]
    public void A_bad_line_is_named_by_its_number(string line)
    {
        var faults = new List<string>();
        CountryTable.Read(["# first", line, "10.0.0.0/8,NL"], faults);
        Assert.Equal($"line 2 is '{line}': expected network and country, for example 192.0.2.0/24,NL", Assert.Single(faults));
    }

    [Fact]
    public void A_thousand_bad_lines_are_not_a_thousand_faults()
    {
        var faults = new List<string>();
        CountryTable.Read(Enumerable.Repeat("x", 1000), faults);
        Assert.Equal((21, "and 980 more lines like these"), (faults.Count, faults[^1]));
    }
}
