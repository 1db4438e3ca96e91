using System.Text;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using Watchword.Nats;

namespace Watchword.Tests.Nats;

/// <summary>Ed25519 against RFC 8032, and nkeys against the official JavaScript library.</summary>
public sealed class NKeyTests
{
    [Theory]
    [InlineData( // RFC 8032, 7.1, test 1
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b")]
    [InlineData( // test 3
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "af82",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a")]
    public void Signatures_are_those_of_the_rfc(string seed, string publicKey, string message, string signature)
    {
        var secret = Convert.FromHexString(seed);

        Assert.Equal(publicKey, Convert.ToHexStringLower(Ed25519.PublicKey(secret)));
        Assert.Equal(signature, Convert.ToHexStringLower(Ed25519.Sign(secret, Convert.FromHexString(message))));
    }

    [Fact]
    public async Task The_official_library_reads_our_seeds_and_verifies_our_signatures()
    {
        var key = NKey.Create();
        const string Nonce = "tmGRWyb0V2Q4S1w";
        var ours = new { seed = key.ToSeed(), nonce = Nonce, sig = key.SignNonce(Nonce), publicKey = key.PublicKey };

        var answer = JsonDocument.Parse(await Node.RunAsync("nkeys.mjs", JsonSerializer.Serialize(ours))).RootElement;

        Assert.True(answer.GetProperty("valid").GetBoolean());
        Assert.Equal(ours.publicKey, answer.GetProperty("publicKey").GetString());
        Assert.Equal(ours.sig, answer.GetProperty("sig").GetString());
    }

    [Fact]
    public void A_seed_survives_its_text_form()
    {
        var key = NKey.Create();

        var again = NKey.FromSeed(key.ToSeed());

        Assert.StartsWith("SU", key.ToSeed(), StringComparison.Ordinal);
        Assert.StartsWith("U", key.PublicKey, StringComparison.Ordinal);
        Assert.Equal(key.PublicKey, again.PublicKey);
    }

    [Fact]
    public void A_mistyped_seed_is_refused_and_not_repeated()
    {
        var seed = NKey.Create().ToSeed();
        for (var i = 2; i < seed.Length; i++)
        {
            var mistyped = seed[..i] + (seed[i] == 'A' ? 'B' : 'A') + seed[(i + 1)..];
            var error = Assert.Throws<FormatException>(() => NKey.FromSeed(mistyped));
            Assert.DoesNotContain(mistyped, error.Message, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("SU")]
    [InlineData("not a seed at all, that much is sure; it is too long for one, too")]
    public void What_is_no_seed_is_refused(string text) => Assert.Throws<FormatException>(() => NKey.FromSeed(text));

    [Fact]
    public void Only_a_users_seed_connects()
    {
        var error = Assert.Throws<FormatException>(() => NKey.FromSeed(NKey.Create('A').ToSeed()));

        Assert.Contains("begins with SU", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Without_openssl_the_error_names_the_remedy()
    {
        var error = Assert.Throws<PlatformNotSupportedException>(() => Ed25519.Find(["libnothing.so.1"]));

        Assert.Contains("libnothing.so.1", error.Message, StringComparison.Ordinal);
        Assert.Contains("apt-get install libssl3", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "")] // RFC 4648, 10, without the padding
    [InlineData("f", "MY")]
    [InlineData("fo", "MZXQ")]
    [InlineData("foo", "MZXW6")]
    [InlineData("foob", "MZXW6YQ")]
    [InlineData("fooba", "MZXW6YTB")]
    [InlineData("foobar", "MZXW6YTBOI")]
    public void Base32_is_that_of_the_rfc(string text, string encoded)
    {
        Assert.Equal(encoded, Base32.Encode(Encoding.ASCII.GetBytes(text)));
        Assert.Equal(text, Encoding.ASCII.GetString(Base32.Decode(encoded)!));
    }

    [Fact]
    public void Base32_gives_back_what_it_was_given()
        => Prop.ForAll<byte[]>(bytes => Base32.Decode(Base32.Encode(bytes))!.SequenceEqual(bytes)).QuickCheckThrowOnFailure();
}
