using System.Buffers.Text;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;

namespace Watchword.Tests.Tokens;

/// <summary>Issued tokens: what they hold, how long they are valid, and that no changed one is.</summary>
public class AccessTokenTests
{
    private readonly TokenFixture _fixture = new();

    [Fact]
    public async Task A_token_holds_every_claim_under_its_own_name()
    {
        var token = _fixture.Issue();

        var user = (await _fixture.ValidateAsync(token)).ClaimsIdentity;

        Assert.Equal(("user-1", "session-1", "zoë@example.com"), (user.FindFirst("sub")?.Value, user.FindFirst("sid")?.Value, user.FindFirst("email")?.Value));
        Assert.Equal(("Zoë \"Z\" <z>", "admin"), (user.Name, user.FindFirst(user.RoleClaimType)?.Value));
        using var payload = JsonDocument.Parse(Base64Url.DecodeFromChars(token.Split('.')[1]));
        Assert.Equal(["aud", "email", "exp", "iat", "iss", "jti", "name", "role", "sid", "sub"], payload.RootElement.EnumerateObject().Select(m => m.Name).Order());
        Assert.Equal((TokenFixture.Now, TokenFixture.Now + 900), (payload.RootElement.GetProperty("iat").GetInt64(), payload.RootElement.GetProperty("exp").GetInt64()));
        Assert.NotEqual(user.FindFirst("jti")?.Value, (await _fixture.ValidateAsync(_fixture.Issue())).ClaimsIdentity.FindFirst("jti")?.Value);
    }

    [Fact]
    public async Task A_user_without_name_and_role_has_neither_claim_and_a_long_name_is_left_out()
    {
        var none = (await _fixture.ValidateAsync(_fixture.Issuer.Issue("u", "s", "e", null, null))).ClaimsIdentity;
        var tooLong = (await _fixture.ValidateAsync(_fixture.Issuer.Issue("u", "s", "e", new string('n', 201), "user"))).ClaimsIdentity;

        Assert.True(none.IsAuthenticated && tooLong.IsAuthenticated);
        Assert.DoesNotContain(none.Claims, c => c.Type is "name" or "role");
        Assert.DoesNotContain(tooLong.Claims, c => c.Type == "name");
    }

    [Fact]
    public void The_header_is_as_agreed() =>
        Assert.StartsWith(
            TokenFixture.Encode(System.Text.Encoding.ASCII.GetBytes(TokenFixture.Header)) + ".", _fixture.Issue(), StringComparison.Ordinal);

    [Theory]
    [InlineData(899.999, TokenStatus.Valid)]
    [InlineData(900, TokenStatus.Expired)]
    [InlineData(90000, TokenStatus.Expired)]
    [InlineData(-60, TokenStatus.Valid)]
    [InlineData(-61, TokenStatus.Invalid)]
    internal async Task A_token_is_valid_from_its_issue_to_its_end(double seconds, TokenStatus expected)
    {
        var token = _fixture.Issue();

        _fixture.Time += TimeSpan.FromSeconds(seconds);

        Assert.Equal(expected, await _fixture.StatusOfAsync(token));
    }

    [Fact]
    public async Task The_clock_skew_widens_both_ends()
    {
        _fixture.Options.ClockSkew = TimeSpan.FromSeconds(30);
        var token = _fixture.Issue();
        var issued = _fixture.Time;

        foreach (var (seconds, expected) in new[] { (929, TokenStatus.Valid), (930, TokenStatus.Expired), (-90, TokenStatus.Valid), (-91, TokenStatus.Invalid) })
        {
            _fixture.Time = issued.AddSeconds(seconds);
            Assert.Equal(expected, await _fixture.StatusOfAsync(token));
        }
    }

    [Theory]
    [InlineData(TokenFixture.Secret + "!", TokenFixture.Origin, TokenFixture.Origin)]
    [InlineData(TokenFixture.Secret, TokenFixture.Origin + "/", TokenFixture.Origin)]
    [InlineData(TokenFixture.Secret, TokenFixture.Origin, "https://ID.example")]
    public async Task A_token_of_another_secret_issuer_or_audience_is_refused_and_not_called_expired(string secret, string issuer, string audience)
    {
        var token = _fixture.Issue();
        (_fixture.Options.Secret, _fixture.Options.Issuer, _fixture.Options.Audience) = (secret, issuer, audience);

        Assert.Equal(TokenStatus.Invalid, await _fixture.StatusOfAsync(token));
        _fixture.Time += TimeSpan.FromHours(1);
        Assert.Equal(TokenStatus.Invalid, await _fixture.StatusOfAsync(token));
    }

    [Fact]
    public void Any_changed_character_is_refused()
    {
        var token = _fixture.Issue();
        var changes =
            from at in Gen.Choose(0, token.Length - 1)
            from to in Gen.OneOf(Gen.Choose(0, 127), Gen.Choose(0, 0xFFFF)).Select(c => (char)c)
            where token[at] != to
            select token[..at] + to + token[(at + 1)..];

        Prop.ForAll(changes.ToArbitrary(), changed => StatusOf(changed) == TokenStatus.Invalid)
            .Check(Config.QuickThrowOnFailure.WithMaxTest(5000));
    }

    [Fact]
    public async Task Every_bit_of_the_signature_counts()
    {
        const string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        var token = _fixture.Issue();

        // The last character holds four bits of the signature and two stray bits, which must be zero.
        foreach (var last in alphabet.Where(c => c != token[^1]))
            Assert.Equal(TokenStatus.Invalid, await _fixture.StatusOfAsync(token[..^1] + last));
        for (var length = 0; length < token.Length; length++)
            Assert.Equal(TokenStatus.Invalid, await _fixture.StatusOfAsync(token[..length]));
        foreach (var more in new[] { "=", " ", ".", "A", "\n" })
            Assert.Equal(TokenStatus.Invalid, await _fixture.StatusOfAsync(token + more));
    }

    [Fact]
    public void Random_text_is_refused_and_never_throws()
    {
        var part = Gen.OneOf(
            Gen.Choose(0, 0xFFFF).Select(c => (char)c).ArrayOf().Select(c => new string(c)),
            Gen.Choose(0, 255).Select(b => (byte)b).ArrayOf().Select(TokenFixture.Encode));
        var texts = Gen.Choose(0, 5).SelectMany(n => Gen.ArrayOf(part, n)).Select(parts => string.Join('.', parts));

        Prop.ForAll(texts.ToArbitrary(), text => StatusOf(text) == TokenStatus.Invalid)
            .Check(Config.QuickThrowOnFailure.WithMaxTest(2000));
    }

    [Fact]
    public void Random_signed_payloads_are_refused_and_never_throw()
    {
        var json = Gen.Elements(
            "{", "}", "[", "]", ",", ":", "\"sub\"", "\"exp\"", "\"aud\"", "\"\\ud800\"", "1e999", "-1", "null", "true", "\"", " ", "\0", "ÿ");
        var bodies = json.ArrayOf().Select(string.Concat);

        Prop.ForAll(bodies.ToArbitrary(), body =>
                StatusOf(TokenFixture.Forge(TokenFixture.Header, body)) == TokenStatus.Invalid
                && StatusOf(TokenFixture.Forge(body, TokenFixture.Payload())) == TokenStatus.Invalid)
            .Check(Config.QuickThrowOnFailure.WithMaxTest(2000));
    }

    [Fact]
    public async Task A_token_of_more_than_8192_characters_is_neither_issued_nor_accepted()
    {
        var fits = TokenFixture.Forge(TokenFixture.Header, TokenFixture.Payload(("name", $"\"{new string('n', 5000)}\"")));
        var large = TokenFixture.Forge(TokenFixture.Header, TokenFixture.Payload(("name", $"\"{new string('n', 7000)}\"")));

        Assert.Equal((TokenStatus.Valid, TokenStatus.Invalid), (await _fixture.StatusOfAsync(fits), await _fixture.StatusOfAsync(large)));
        Assert.Contains("shorten", Assert.Throws<InvalidOperationException>(() => _fixture.Issuer.Issue("u", "s", "e", "n", new string('r', 7000))).Message, StringComparison.Ordinal);
    }

    // A property is synchronous; validation with a symmetric key completes synchronously.
    private TokenStatus StatusOf(string token)
    {
        var status = _fixture.StatusOfAsync(token);
        Assert.True(status.IsCompleted);
#pragma warning disable VSTHRD002 // It has completed.
        return status.Result;
#pragma warning restore VSTHRD002
    }
}
