using Watchword.Server.Passwords;

namespace Watchword.Tests.Passwords;

public class PasswordHashTests
{
    private static readonly string Key = new('a', 128);

    [Fact]
    public void The_default_cost_has_the_format_of_Better_Auth()
    {
        var text = PasswordHash.Prepare(new PasswordOptions().Cost).ToString();

        Assert.Matches("^[0-9a-f]{32}:[0-9a-f]{128}$", text);
        Assert.Equal(161, text.Length);
    }

    [Fact]
    public void A_hash_of_another_cost_carries_its_cost()
    {
        var cost = new ScryptParameters(15, 8, 2);

        var text = PasswordHash.Prepare(cost).ToString();

        Assert.StartsWith("$scrypt$ln=15,r=8,p=2$", text, StringComparison.Ordinal);
        Assert.DoesNotContain("=$", text[20..], StringComparison.Ordinal);
        Assert.Equal(cost, PasswordHash.TryParse(text)!.Cost);
    }

    [Theory]
    [InlineData(14, 16, 1)]
    [InlineData(15, 8, 1)]
    [InlineData(14, 16, 2)]
    public void A_written_hash_is_read_back(int logN, int r, int p)
    {
        var hash = PasswordHash.Prepare(new ScryptParameters(logN, r, p));
        hash.Key.AsSpan().Fill(0xA7);

        var read = PasswordHash.TryParse(hash.ToString())!;

        Assert.Equal(hash.Cost, read.Cost);
        Assert.Equal(hash.Salt, read.Salt);
        Assert.Equal(hash.Key, read.Key);
    }

    public static TheoryData<string> Malformed =>
    [
        "", ":", "salt", "salt:", ":" + Key, "salt:" + Key[1..], "salt:" + Key + "a", "salt:" + Key.ToUpperInvariant(),
        "salt:" + Key[1..] + "g", "sält:" + Key, "a:b:" + Key[2..], new string('s', 500) + ":" + Key, "$", "$$$$", "$2b$10$abc",
        Phc("ln=15,r=8"), Phc("ln=15,r=8,p=1,x=1"), Phc("r=8,ln=15,p=1"), Phc("ln=15,r=8,p=0"), Phc("ln=015,r=8,p=1"),
        Phc("ln=+15,r=8,p=1"), Phc("ln= 15,r=8,p=1"), Phc("ln=-1,r=8,p=1"), Phc("ln=99999999999,r=8,p=1"), Phc("ln=,r=8,p=1"),
        Phc("ln=15,r=8,p=1", salt: "AAAA"), Phc("ln=15,r=8,p=1", salt: "AAAAAAAAAAAAAAAAAAAAAA=="),
        Phc("ln=15,r=8,p=1", salt: "AAAAAAAAAAAAAAAAAAAAAB"), Phc("ln=15,r=8,p=1", salt: "AAAA AAAA AAAA AAAA"),
        Phc("ln=15,r=8,p=1", key: "AAAA"), Phc("ln=15,r=8,p=1") + "$", Phc("ln=15,r=8,p=1").Replace("scrypt", "argon2id"),
        // Well formed, but a trap: they would take gigabytes or minutes.
        Phc("ln=24,r=8,p=1"), Phc("ln=2,r=1000000,p=1"), Phc("ln=16,r=8,p=1000"), Phc("ln=15,r=8,p=1000000"),
    ];

    [Theory]
    [MemberData(nameof(Malformed))]
    public void A_malformed_or_hostile_hash_is_rejected(string stored) => Assert.Null(PasswordHash.TryParse(stored));

    [Fact]
    public void The_hash_that_the_malformed_ones_vary_is_valid()
    {
        Assert.NotNull(PasswordHash.TryParse("salt:" + Key));
        Assert.NotNull(PasswordHash.TryParse(Phc("ln=15,r=8,p=1")));
    }

    [Fact]
    public void All_faults_of_the_options_are_reported_at_once()
    {
        var options = new PasswordOptions { LogN = 23, Threads = 0, QueueLength = 0, MemoryMiB = -1 };

        Assert.Equal(4, options.Validate().Count);
        Assert.Empty(new PasswordOptions().Validate());
        Assert.Contains("log2(N)", Assert.Single(new PasswordOptions { LogN = 0 }.Validate()), StringComparison.Ordinal);
    }

    private static string Phc(string cost, string salt = "AAAAAAAAAAAAAAAAAAAAAA", string key = "AAAAAAAAAAAAAAAAAAAAAA") =>
        $"$scrypt${cost}${salt}${key}";
}
