using System.Text.Json;
using System.Text.Json.Nodes;
using Watchword.Tokens;

namespace Watchword.Tests.Tokens;

/// <summary>The jose library reads our tokens, and we read its.</summary>
public class JoseTests
{
    [Fact]
    public async Task Tokens_pass_between_jose_and_Watchword_both_ways()
    {
        var fixture = new TokenFixture { Time = DateTimeOffset.UtcNow };
        var claims = fixture.Claims();
        var token = fixture.Issuer.Sign(claims);
        var theirs = JsonNode.Parse(TokenFixture.Payload(
            ("iat", $"{claims.IssuedAt.ToUnixTimeSeconds()}"), ("exp", $"{claims.ExpiresAt.ToUnixTimeSeconds()}"),
            ("name", "\"Zoë 🔑\""), ("aud", "[\"other\",\"https://api.example\"]")));
        var input = new JsonObject
        {
            ["secret"] = TokenFixture.Secret,
            ["issuer"] = TokenFixture.Options.Issuer,
            ["audience"] = TokenFixture.Options.Audience,
            ["sign"] = new JsonArray(theirs),
            ["verify"] = new JsonArray(token, TokenFixture.Forge(TokenFixture.Header, TokenFixture.Payload(), "x" + TokenFixture.Secret)),
        };

        using var output = JsonDocument.Parse(await Node.RunAsync("jose.mjs", input.ToJsonString()));

        var verified = output.RootElement.GetProperty("verified");
        Assert.Equal("HS256", verified[0].GetProperty("header").GetProperty("alg").GetString());
        var read = verified[0].GetProperty("claims");
        Assert.Equal(claims.Subject, read.GetProperty("sub").GetString());
        Assert.Equal(claims.SessionId, read.GetProperty("sid").GetString());
        Assert.Equal(claims.TokenId, read.GetProperty("jti").GetString());
        Assert.Equal(claims.Email, read.GetProperty("email").GetString());
        Assert.Equal(claims.Name, read.GetProperty("name").GetString());
        Assert.Equal(claims.ExpiresAt.ToUnixTimeSeconds(), read.GetProperty("exp").GetInt64());
        Assert.Equal("ERR_JWS_SIGNATURE_VERIFICATION_FAILED", verified[1].GetProperty("error").GetString());

        var result = fixture.Verifier.Verify(output.RootElement.GetProperty("signed")[0].GetString());
        Assert.Equal(AccessTokenStatus.Valid, result.Status);
        Assert.Equal("Zoë 🔑", result.Claims!.Name);
        Assert.Equal(claims.ExpiresAt, result.Claims.ExpiresAt);
    }
}
