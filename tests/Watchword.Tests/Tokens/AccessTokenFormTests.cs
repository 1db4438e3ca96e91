using System.Security.Cryptography;
using System.Text;
using Watchword.Tokens;

namespace Watchword.Tests.Tokens;

/// <summary>Tokens with a right signature and a wrong form: what RFC 7515, 7519 and 8725 ask to be refused.</summary>
public class AccessTokenFormTests
{
    private readonly TokenFixture _fixture = new();

    // RFC 7515, appendix A.1: the signature layer as the RFC prints it.
    [Fact]
    public void The_vector_of_RFC_7515_has_the_signature_that_is_computed_here()
    {
        var key = System.Buffers.Text.Base64Url.DecodeFromChars(
            "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow");
        var header = TokenFixture.Encode(Encoding.ASCII.GetBytes("{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}"));
        var payload = TokenFixture.Encode(Encoding.ASCII.GetBytes(
            "{\"iss\":\"joe\",\r\n \"exp\":1300819380,\r\n \"http://example.com/is_root\":true}"));

        Assert.Equal("eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9", header);
        Assert.Equal(
            "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk",
            TokenFixture.Encode(HMACSHA256.HashData(key, Encoding.ASCII.GetBytes(header + "." + payload))));
        Assert.True(AccessTokenReader.IsOurHeader(Encoding.ASCII.GetBytes("{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}")));
    }

    [Theory]
    [InlineData("""{"alg":"HS256"}""")]
    [InlineData("""{"typ":"jwt","alg":"HS256"}""")]
    [InlineData("""{"alg":"HS256","kid":"1","x":{"y":[1,{"z":null}]}}""")]
    [InlineData("""{"\u0061lg":"HS256"}""")]
    public void An_honest_header_is_accepted(string header) =>
        Assert.Equal(AccessTokenStatus.Valid, _fixture.StatusOf(header, TokenFixture.Payload()));

    [Theory]
    [InlineData("""{"alg":"none"}""")]
    [InlineData("""{"alg":"None","typ":"JWT"}""")]
    [InlineData("""{"alg":"RS256","typ":"JWT"}""")]
    [InlineData("""{"alg":"HS512","typ":"JWT"}""")]
    [InlineData("""{"alg":"hs256","typ":"JWT"}""")]
    [InlineData("""{"alg":"HS256 "}""")]
    [InlineData("""{"alg":null}""")]
    [InlineData("""{"alg":["HS256"]}""")]
    [InlineData("""{"alg":256}""")]
    [InlineData("""{"typ":"JWT"}""")]
    [InlineData("""{"alg":"HS256","typ":"at+jwt"}""")]
    [InlineData("""{"alg":"HS256","typ":7}""")]
    [InlineData("""{"alg":"HS256","crit":["exp"],"exp":1}""")]
    [InlineData("""{"alg":"HS256","crit":[]}""")]
    [InlineData("""{"alg":"none","alg":"HS256"}""")]
    [InlineData("""{"alg":"HS256","\u0061lg":"HS256"}""")]
    [InlineData("""{"alg":"HS256","kid":1,"kid":1}""")]
    [InlineData("""["alg","HS256"]""")]
    [InlineData("""{"alg":"HS256"}x""")]
    [InlineData("""{"alg":"HS256"}{}""")]
    [InlineData("""{"alg":"HS256",}""")]
    [InlineData("""{"alg":"HS256" """)]
    [InlineData("""{"alg":"HS256","\ud800":1}""")]
    [InlineData(" ")]
    [InlineData("")]
    public void Any_other_header_is_refused(string header) =>
        Assert.Equal(AccessTokenStatus.Invalid, _fixture.StatusOf(header, TokenFixture.Payload()));

    [Theory]
    [InlineData("aud", """["https://api.example"]""")]
    [InlineData("aud", """["x","https://api.example","y"]""")]
    [InlineData("iss", "\"https:\\/\\/id.example\"")]
    [InlineData("nbf", "1767225600")]
    [InlineData("exp", "1.8e9")]
    [InlineData("exp", "253402300799")]
    [InlineData("role", "null")]
    [InlineData("more", """{"a":[1,2,{"b":"c"}]}""")]
    public void A_lawful_variant_of_a_claim_is_accepted(string name, string json) =>
        Assert.Equal(
            AccessTokenStatus.Valid,
            _fixture.StatusOf(TokenFixture.Header, TokenFixture.Payload((name, json))));

    [Theory]
    [InlineData("sub", null)]
    [InlineData("sid", null)]
    [InlineData("jti", null)]
    [InlineData("email", null)]
    [InlineData("iat", null)]
    [InlineData("exp", null)]
    [InlineData("iss", null)]
    [InlineData("aud", null)]
    [InlineData("sub", "null")]
    [InlineData("sub", "7")]
    [InlineData("name", "{}")]
    [InlineData("sub", "\"\\ud800\"")]
    [InlineData("exp", "\"1767225660\"")]
    [InlineData("exp", "-1")]
    [InlineData("exp", "1e400")]
    [InlineData("exp", "-1e400")]
    [InlineData("exp", "9223372036854775808")]
    [InlineData("exp", "253402300800")]
    [InlineData("exp", "01767225660")]
    [InlineData("exp", "NaN")]
    [InlineData("exp", "true")]
    [InlineData("iat", "1767225661")]
    [InlineData("iat", "-5")]
    [InlineData("nbf", "1767225601")]
    [InlineData("nbf", "null")]
    [InlineData("iss", "\"https://id.example2\"")]
    [InlineData("iss", "[\"https://id.example\"]")]
    [InlineData("aud", "\"https://api\"")]
    [InlineData("aud", "[]")]
    [InlineData("aud", "[7,\"https://api.example\"]")]
    [InlineData("aud", "[\"https://api.example\",7]")]
    [InlineData("aud", "[[\"https://api.example\"]]")]
    [InlineData("aud", "{\"https://api.example\":1}")]
    public void A_missing_or_wrong_claim_is_refused(string name, string? json) =>
        Assert.Equal(AccessTokenStatus.Invalid, _fixture.StatusOf(TokenFixture.Header, TokenFixture.Payload((name, json))));

    [Theory]
    [InlineData("0", AccessTokenStatus.Expired)]
    [InlineData("1767225600", AccessTokenStatus.Expired)]
    [InlineData("1767225600.5", AccessTokenStatus.Expired)]
    [InlineData("1767225601", AccessTokenStatus.Valid)]
    public void The_end_is_compared_in_whole_seconds(string exp, AccessTokenStatus expected) =>
        Assert.Equal(expected, _fixture.StatusOf(TokenFixture.Header, TokenFixture.Payload(("exp", exp))));

    [Fact]
    public void An_expired_token_of_another_issuer_is_not_called_ours() =>
        Assert.Equal(
            AccessTokenStatus.Invalid,
            _fixture.StatusOf(TokenFixture.Header, TokenFixture.Payload(("exp", "1"), ("iss", "\"other\""))));

    [Fact]
    public void A_member_that_occurs_twice_is_refused()
    {
        var payload = TokenFixture.Payload();

        foreach (var twice in new[] { "\"sub\":\"u\"", "\"\\u0073ub\":\"u\"", "\"aud\":\"https://api.example\"", "\"x\":1,\"x\":1" })
            Assert.Equal(AccessTokenStatus.Invalid, _fixture.StatusOf(TokenFixture.Header, payload[..^1] + "," + twice + "}"));
    }

    [Fact]
    public void Base64url_is_strict_also_where_the_signature_holds()
    {
        var header = TokenFixture.Encode(Encoding.ASCII.GetBytes(TokenFixture.Header));
        // 8n + 4 bits and 8n + 2 bits: one payload with two and one with one character of padding, were there any.
        var payloads = Enumerable.Range(1, 3)
            .Select(n => TokenFixture.Encode(Encoding.ASCII.GetBytes(TokenFixture.Payload(("name", $"\"{new string('n', n)}\"")))))
            .ToList();

        foreach (var payload in payloads)
        {
            Assert.True(_fixture.Verifier.Verify(TokenFixture.Sign(header + "." + payload)).IsValid);
            foreach (var odd in new[]
            {
                payload + "=", payload + "==", payload + " ", payload + "\n", " " + payload, payload[..8] + "\r\n" + payload[8..],
                payload + "A", payload + ".", payload + "." + payload, "." + payload, payload[..8] + "+" + payload[9..],
            })
                Assert.False(_fixture.Verifier.Verify(TokenFixture.Sign(header + "." + odd)).IsValid, odd);
        }

        foreach (var payload in payloads.Where(p => p.Length % 4 != 0))
            Assert.False(_fixture.Verifier.Verify(TokenFixture.Sign(header + "." + payload[..^1] + (char)(payload[^1] + 1))).IsValid);
        Assert.False(_fixture.Verifier.Verify(TokenFixture.Sign(header)).IsValid);
    }

    [Fact]
    public void Text_that_is_not_UTF_8_is_refused()
    {
        var payload = Encoding.Latin1.GetBytes(TokenFixture.Payload(("name", "\"Zoë\"")));
        var header = TokenFixture.Encode(Encoding.ASCII.GetBytes(TokenFixture.Header));

        Assert.False(_fixture.Verifier.Verify(TokenFixture.Sign(header + "." + TokenFixture.Encode(payload))).IsValid);
    }
}
