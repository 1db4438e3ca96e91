using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Watchword.Tokens;

namespace Watchword.Tests.Tokens;

public class AccessTokenTests
{
    private readonly TokenFixture _fixture = new();

    [Fact]
    public void What_is_signed_is_read_back()
    {
        var claims = _fixture.Claims();

        var result = _fixture.Verifier.Verify(_fixture.Issuer.Sign(claims));

        Assert.True(result.IsValid);
        Assert.Equal(claims, result.Claims);
        Assert.Equal(TimeSpan.FromMinutes(15), claims.ExpiresAt - claims.IssuedAt);
        Assert.NotEqual(claims.TokenId, _fixture.Claims().TokenId);
    }

    [Fact]
    public void A_user_without_name_and_role_has_none()
    {
        var claims = _fixture.Issuer.Prepare("u", "s", "e");

        Assert.Equal(claims, _fixture.Verifier.Verify(_fixture.Issuer.Sign(claims)).Claims);
    }

    [Fact]
    public void The_header_is_as_agreed() =>
        Assert.StartsWith(
            TokenFixture.Encode(Encoding.ASCII.GetBytes(TokenFixture.Header)) + ".",
            _fixture.Issuer.Sign(_fixture.Claims()), StringComparison.Ordinal);

    [Theory]
    [InlineData(899.999, AccessTokenStatus.Valid)]
    [InlineData(900, AccessTokenStatus.Expired)]
    [InlineData(90000, AccessTokenStatus.Expired)]
    [InlineData(-60, AccessTokenStatus.Valid)]
    [InlineData(-61, AccessTokenStatus.Invalid)]
    public void A_token_is_valid_from_its_issue_to_its_end(double seconds, AccessTokenStatus expected)
    {
        var token = _fixture.Issuer.Sign(_fixture.Claims());

        _fixture.Time += TimeSpan.FromSeconds(seconds);

        Assert.Equal(expected, _fixture.Verifier.Verify(token).Status);
    }

    [Fact]
    public void The_clock_skew_widens_both_ends()
    {
        var verifier = new AccessTokenVerifier(TokenFixture.Options with { ClockSkew = TimeSpan.FromSeconds(30) }, _fixture);
        var token = _fixture.Issuer.Sign(_fixture.Claims());
        var issued = _fixture.Time;

        foreach (var (seconds, expected) in new[]
        {
            (929, AccessTokenStatus.Valid), (930, AccessTokenStatus.Expired),
            (-90, AccessTokenStatus.Valid), (-91, AccessTokenStatus.Invalid),
        })
        {
            _fixture.Time = issued.AddSeconds(seconds);
            Assert.Equal(expected, verifier.Verify(token).Status);
        }
    }

    [Fact]
    public void Another_secret_issuer_or_audience_is_refused()
    {
        var token = _fixture.Issuer.Sign(_fixture.Claims());

        foreach (var options in new[]
        {
            TokenFixture.Options with { Secret = TokenFixture.Secret + "!" },
            TokenFixture.Options with { Issuer = "https://id.example/" },
            TokenFixture.Options with { Audience = "https://API.example" },
        })
            Assert.Equal(AccessTokenStatus.Invalid, new AccessTokenVerifier(options, _fixture).Verify(token).Status);
    }

    [Fact]
    public void Any_changed_character_is_refused()
    {
        var token = _fixture.Issuer.Sign(_fixture.Claims());
        var changes =
            from at in Gen.Choose(0, token.Length - 1)
            from to in Gen.OneOf(Gen.Choose(0, 127), Gen.Choose(0, 0xFFFF)).Select(c => (char)c)
            where token[at] != to
            select token[..at] + to + token[(at + 1)..];

        Prop.ForAll(changes.ToArbitrary(), changed => _fixture.Verifier.Verify(changed).Status == AccessTokenStatus.Invalid)
            .Check(Config.QuickThrowOnFailure.WithMaxTest(5000));
    }

    [Fact]
    public void Every_bit_of_the_signature_counts()
    {
        const string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        var token = _fixture.Issuer.Sign(_fixture.Claims());

        // The last character carries two bits that belong to no byte; they must be zero.
        foreach (var last in alphabet.Where(c => c != token[^1]))
            Assert.Equal(AccessTokenStatus.Invalid, _fixture.Verifier.Verify(token[..^1] + last).Status);
        for (var length = 0; length < token.Length; length++)
            Assert.Equal(AccessTokenStatus.Invalid, _fixture.Verifier.Verify(token.AsSpan(0, length)).Status);
        foreach (var more in new[] { "=", " ", ".", "A", "\n" })
            Assert.Equal(AccessTokenStatus.Invalid, _fixture.Verifier.Verify(token + more).Status);
    }

    [Fact]
    public void Random_text_never_throws()
    {
        var part = Gen.OneOf(
            Gen.Choose(0, 0xFFFF).Select(c => (char)c).ArrayOf().Select(c => new string(c)),
            Gen.Choose(0, 255).Select(b => (byte)b).ArrayOf().Select(TokenFixture.Encode));
        var texts = Gen.Choose(0, 5).SelectMany(n => Gen.ArrayOf(part, n)).Select(parts => string.Join('.', parts));

        Prop.ForAll(texts.ToArbitrary(), text => !_fixture.Verifier.Verify(text).IsValid)
            .Check(Config.QuickThrowOnFailure.WithMaxTest(2000));
    }

    [Fact]
    public void Random_signed_payloads_never_throw()
    {
        var json = Gen.Elements(
            "{", "}", "[", "]", ",", ":", "\"sub\"", "\"exp\"", "\"aud\"", "\"\\ud800\"", "1e999", "-1", "null", "true", "\"", " ", "\0", "ÿ");
        var bodies = json.ArrayOf().Select(string.Concat);

        Prop.ForAll(bodies.ToArbitrary(), body =>
                !_fixture.Verifier.Verify(TokenFixture.Forge(TokenFixture.Header, body)).IsValid
                && !_fixture.Verifier.Verify(TokenFixture.Forge(body, TokenFixture.Payload())).IsValid)
            .Check(Config.QuickThrowOnFailure.WithMaxTest(2000));
    }

    [Fact]
    public void A_token_is_bounded()
    {
        var claims = _fixture.Claims();

        Assert.True(_fixture.Verifier.Verify(_fixture.Issuer.Sign(claims with { Name = new string('n', 5000) })).IsValid);
        Assert.Throws<ArgumentException>(() => _fixture.Issuer.Sign(claims with { Name = new string('n', 7000) }));
        var large = TokenFixture.Forge(TokenFixture.Header, TokenFixture.Payload(("name", $"\"{new string('n', 7000)}\"")));
        Assert.Equal(AccessTokenStatus.Invalid, _fixture.Verifier.Verify(large).Status);
    }

    [Fact]
    public void All_faults_of_the_options_are_told_at_once_and_no_secret()
    {
        var options = new AccessTokenOptions
        {
            Secret = "too short a secret",
            Issuer = "",
            Audience = "",
            Lifetime = TimeSpan.FromHours(25),
            ClockSkew = TimeSpan.FromSeconds(-1),
        };

        Assert.Equal(5, options.Validate().Count);
        var error = Assert.Throws<ArgumentException>(() => new AccessTokenVerifier(options, _fixture));
        Assert.DoesNotContain(options.Secret, error.Message + options, StringComparison.Ordinal);
        Assert.Empty(TokenFixture.Options.Validate());
    }
}
