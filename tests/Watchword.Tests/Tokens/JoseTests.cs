using System.Buffers.Text;
using System.Text.Json;
using System.Text.Json.Nodes;

namespace Watchword.Tests.Tokens;

/// <summary>The jose library reads our tokens, and we read its tokens.</summary>
public class JoseTests
{
    [Fact]
    public async Task Tokens_pass_between_jose_and_Watchword_both_ways()
    {
        var fixture = new TokenFixture { Time = DateTimeOffset.UtcNow };
        var token = fixture.Issue();
        var now = fixture.Time.ToUnixTimeSeconds();
        var theirs = JsonNode.Parse(TokenFixture.Payload(
            ("iat", $"{now}"), ("exp", $"{now + 900}"), ("name", "\"Zoë 🔑\""), ("aud", "[\"other\",\"https://id.example\"]")));
        var input = new JsonObject
        {
            ["secret"] = TokenFixture.Secret,
            ["issuer"] = TokenFixture.Origin,
            ["audience"] = TokenFixture.Origin,
            ["sign"] = new JsonArray(theirs),
            ["verify"] = new JsonArray(token, TokenFixture.Forge(TokenFixture.Header, TokenFixture.Payload(), "x" + TokenFixture.Secret)),
        };

        using var output = JsonDocument.Parse(await Node.RunAsync("jose.mjs", input.ToJsonString()));

        var verified = output.RootElement.GetProperty("verified");
        Assert.Equal("HS256", verified[0].GetProperty("header").GetProperty("alg").GetString());
        Assert.True(JsonNode.DeepEquals(JsonNode.Parse(Base64Url.DecodeFromChars(token.Split('.')[1])), JsonNode.Parse(verified[0].GetProperty("claims").GetRawText())));
        Assert.Equal("ERR_JWS_SIGNATURE_VERIFICATION_FAILED", verified[1].GetProperty("error").GetString());

        var result = await fixture.ValidateAsync(output.RootElement.GetProperty("signed")[0].GetString()!);
        Assert.True(result.IsValid, result.Exception?.Message);
        Assert.Equal("Zoë 🔑", result.ClaimsIdentity.Name);
    }
}
