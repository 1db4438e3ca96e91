using System.Text;

namespace Watchword.Tests.Tokens;

/// <summary>Tokens with the right signature and the wrong form: what RFC 7515, 7519 and 8725 ask to be refused.</summary>
public class AccessTokenFormTests
{
    private readonly TokenFixture _fixture = new();

    [Theory]
    [InlineData("""{"alg":"HS256"}""")]
    [InlineData("""{"typ":"jwt","alg":"HS256"}""")]
    [InlineData("{\"typ\":\"JWT\",\r\n \"alg\":\"HS256\"}")]   // as RFC 7515, appendix A.1, writes it
    [InlineData("""{"alg":"HS256","kid":"1","x":{"y":[1,{"z":null}]}}""")]
    [InlineData("""{"\u0061lg":"HS256"}""")]
    public async Task A_valid_header_is_accepted(string header) =>
        Assert.Equal(TokenStatus.Valid, await _fixture.StatusOfAsync(header, TokenFixture.Payload()));

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
    [InlineData("""{"alg":"HS256","crit":null}""")]
    [InlineData("""["alg","HS256"]""")]
    [InlineData("""{"alg":"HS256",}""")]
    [InlineData("""{"alg":"HS256" """)]
    [InlineData("""{"alg":"HS256","\ud800":1}""")]
    [InlineData(" ")]
    [InlineData("")]
    public async Task Any_other_header_is_refused(string header) =>
        Assert.Equal(TokenStatus.Invalid, await _fixture.StatusOfAsync(header, TokenFixture.Payload()));

    [Theory]
    [InlineData("aud", """["https://id.example"]""")]
    [InlineData("aud", """["x","https://id.example","y"]""")]
    [InlineData("iss", "\"https:\\/\\/id.example\"")]
    [InlineData("nbf", "1767225600")]
    [InlineData("exp", "1.8e9")]
    [InlineData("exp", "253402300799")]
    [InlineData("role", "null")]
    [InlineData("more", """{"a":[1,2,{"b":"c"}]}""")]
    public async Task A_valid_variant_of_a_claim_is_accepted(string name, string json) =>
        Assert.Equal(TokenStatus.Valid, await _fixture.StatusOfAsync(TokenFixture.Header, TokenFixture.Payload((name, json))));

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
    [InlineData("sub", "{}")]
    [InlineData("sub", "[\"u\"]")]
    [InlineData("sid", "7")]
    [InlineData("email", "7")]
    [InlineData("email", "[\"e\"]")]
    [InlineData("jti", "true")]
    [InlineData("sub", "\"\\ud800\"")]
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
    [InlineData("aud", "\"https://id\"")]
    [InlineData("aud", "[]")]
    [InlineData("aud", "[7,\"https://id.example\"]")]
    [InlineData("aud", "[\"https://id.example\",7]")]
    [InlineData("aud", "[[\"https://id.example\"]]")]
    [InlineData("aud", "{\"https://id.example\":1}")]
    public async Task A_missing_or_wrong_claim_is_refused(string name, string? json) =>
        Assert.Equal(TokenStatus.Invalid, await _fixture.StatusOfAsync(TokenFixture.Header, TokenFixture.Payload((name, json))));

    [Theory]
    [InlineData("0", TokenStatus.Expired)]
    [InlineData("1767225600", TokenStatus.Expired)]
    [InlineData("1767225600.5", TokenStatus.Expired)]
    [InlineData("1767225601", TokenStatus.Valid)]
    internal async Task The_end_is_compared_in_whole_seconds(string exp, TokenStatus expected) =>
        Assert.Equal(expected, await _fixture.StatusOfAsync(TokenFixture.Header, TokenFixture.Payload(("exp", exp))));

    [Theory]
    [InlineData("iss", "\"other\"")]
    [InlineData("aud", "\"other\"")]
    [InlineData("sid", null)]
    public async Task An_expired_token_that_is_not_ours_is_not_called_expired(string name, string? json) =>
        Assert.Equal(TokenStatus.Invalid, await _fixture.StatusOfAsync(TokenFixture.Header, TokenFixture.Payload(("exp", "1"), (name, json))));

    [Fact]
    public async Task Base64url_is_strict_also_where_the_signature_is_right()
    {
        var header = TokenFixture.Encode(Encoding.ASCII.GetBytes(TokenFixture.Header));
        // Three lengths, which padding would extend by none, one and two characters.
        var payloads = Enumerable.Range(1, 3)
            .Select(n => TokenFixture.Encode(Encoding.ASCII.GetBytes(TokenFixture.Payload(("name", $"\"{new string('n', n)}\"")))))
            .ToList();

        foreach (var payload in payloads)
        {
            Assert.Equal(TokenStatus.Valid, await _fixture.StatusOfAsync(TokenFixture.Sign(header + "." + payload)));
            foreach (var odd in new[]
            {
                payload + "=", payload + "==", payload + " ", payload + "\n", " " + payload, payload[..8] + "\r\n" + payload[8..],
                payload + ".", payload + "." + payload, "." + payload, payload[..8] + "+" + payload[9..],
            })
                Assert.True(await _fixture.StatusOfAsync(TokenFixture.Sign(header + "." + odd)) == TokenStatus.Invalid, odd);
        }

        Assert.Equal(TokenStatus.Invalid, await _fixture.StatusOfAsync(TokenFixture.Sign(header)));
    }

    [Fact]
    public async Task Text_that_is_not_UTF_8_is_refused()
    {
        var payload = Encoding.Latin1.GetBytes(TokenFixture.Payload(("name", "\"Zoë\"")));
        var header = TokenFixture.Encode(Encoding.ASCII.GetBytes(TokenFixture.Header));

        Assert.Equal(TokenStatus.Invalid, await _fixture.StatusOfAsync(TokenFixture.Sign(header + "." + TokenFixture.Encode(payload))));
    }
}
