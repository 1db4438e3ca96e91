using System.Buffers.Text;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;

namespace Watchword.Tests.Tokens;

/// <summary>Tokens signed by the test, against a running server.</summary>
public class ForgedTokenTests(ServerFixture fixture)
{
    private const string AnotherSecret = "another-secret-of-48-characters-or-thereabouts!!";

    [Fact]
    public async Task A_forged_copy_of_a_genuine_token_is_accepted()
    {
        var (server, person) = await PersonAsync();
        var answer = await server.MeAsync(Forge(person, TokenFixture.Header, _ => { }));
        Assert.Equal((HttpStatusCode.OK, person.Id), (answer.Status, answer.Json.GetProperty("user").GetProperty("id").GetString()));
    }

    [Fact]
    public async Task Every_endpoint_says_that_an_expired_token_has_expired()
    {
        var (server, person) = await PersonAsync();
        var expired = Forge(person, TokenFixture.Header, c => c["exp"] = DateTimeOffset.UtcNow.ToUnixTimeSeconds() - 1);
        (await server.MeAsync(expired)).AssertExpired();
        (await server.LogoutAsync(expired)).AssertExpired();
        Assert.Equal(HttpStatusCode.OK, (await server.MeAsync(person.AccessToken)).Status);
    }

    [Fact]
    public async Task An_expired_token_of_another_issuer_or_secret_is_invalid_not_expired()
    {
        var (server, person) = await PersonAsync();
        var past = DateTimeOffset.UtcNow.ToUnixTimeSeconds() - 1;
        (await server.MeAsync(Forge(person, TokenFixture.Header, c => (c["exp"], c["iss"]) = (past, "https://evil.example")))).AssertInvalidToken();
        (await server.MeAsync(Forge(person, TokenFixture.Header, c => c["exp"] = past, AnotherSecret))).AssertInvalidToken();
    }

    [Theory]
    [InlineData("iss", "\"https://evil.example\"")]
    [InlineData("iss", "null")]
    [InlineData("iss", null)]
    [InlineData("aud", "\"https://evil.example\"")]
    [InlineData("aud", "[]")]
    [InlineData("aud", null)]
    [InlineData("exp", null)]
    [InlineData("exp", "1e999")]
    [InlineData("nbf", "9999999999")]
    [InlineData("iat", "9999999999")]
    [InlineData("sub", null)]
    [InlineData("sub", "{}")]
    [InlineData("sid", null)]
    public async Task A_wrong_claim_is_refused_although_the_signature_is_right(string claim, string? json)
    {
        var (server, person) = await PersonAsync();
        var payload = Payload(person);
        payload.Remove(claim);
        var text = payload.ToJsonString();
        if (json is not null)
            text = text[..^1] + $",\"{claim}\":{json}}}";
        (await server.MeAsync(TokenFixture.Forge(TokenFixture.Header, text, ServerProcess.Secret))).AssertInvalidToken();
    }

    [Fact]
    public async Task A_swapped_algorithm_is_refused()
    {
        var (server, person) = await PersonAsync();
        var payload = TokenFixture.Encode(Encoding.UTF8.GetBytes(Payload(person).ToJsonString()));
        var key = Encoding.UTF8.GetBytes(ServerProcess.Secret);
        foreach (var algorithm in (string[])["none", "None", "NONE", "nOnE", "HS384", "HS512", "RS256", "ES256", "EdDSA", "", "hs256"])
        {
            var signed = TokenFixture.Encode(Encoding.UTF8.GetBytes($$"""{"alg":"{{algorithm}}","typ":"JWT"}""")) + "." + payload;
            var bytes = Encoding.ASCII.GetBytes(signed);
            foreach (var signature in (byte[][])[[], HMACSHA256.HashData(key, bytes), HMACSHA384.HashData(key, bytes), HMACSHA512.HashData(key, bytes)])
                (await server.MeAsync(signed + "." + TokenFixture.Encode(signature))).AssertInvalidToken();
            (await server.MeAsync(signed)).AssertInvalidToken();
        }
    }

    [Fact]
    public async Task Another_secret_or_a_changed_character_is_refused()
    {
        var (server, person) = await PersonAsync();
        (await server.MeAsync(Forge(person, TokenFixture.Header, _ => { }, AnotherSecret))).AssertInvalidToken();
        (await server.MeAsync(Forge(person, TokenFixture.Header, _ => { }, ServerProcess.Secret.ToUpperInvariant()))).AssertInvalidToken();
        var token = person.AccessToken;
        for (var i = 0; i < token.Length; i += 7)
            (await server.MeAsync(token[..i] + (token[i] == 'A' ? 'B' : 'A') + token[(i + 1)..])).AssertInvalidToken();
        for (var cut = 1; cut < 60; cut++)
            (await server.MeAsync(token[..^cut])).AssertInvalidToken();
        Assert.Equal(HttpStatusCode.OK, (await server.MeAsync(token)).Status);
    }

    [Fact]
    public async Task The_claims_of_another_user_under_my_signature_are_refused()
    {
        var (server, person) = await PersonAsync();
        var victim = await server.RegisterAsync();
        var (mine, theirs) = (person.AccessToken.Split('.'), victim.AccessToken.Split('.'));
        (await server.MeAsync($"{mine[0]}.{theirs[1]}.{mine[2]}")).AssertInvalidToken();
    }

    [Fact]
    public async Task Garbage_is_refused()
    {
        var server = await fixture.StartedAsync();
        foreach (var token in (string[])["x", ".", "..", "...", "a.b.c", "null", "undefined", "eyJhbGciOiJIUzI1NiJ9..", new('.', 200), new('a', 8193), "%00", "' OR 1=1 --", "\"\"", "{}"])
            (await server.MeAsync(token)).AssertInvalidToken();
    }

    private async Task<(ServerProcess, Person)> PersonAsync()
    {
        var server = await fixture.StartedAsync();
        return (server, await server.RegisterAsync());
    }

    private static JsonObject Payload(Person person) =>
        JsonNode.Parse(Base64Url.DecodeFromChars(person.AccessToken.Split('.')[1]))!.AsObject();

    private static string Forge(Person person, string header, Action<JsonObject> change, string secret = ServerProcess.Secret)
    {
        var payload = Payload(person);
        change(payload);
        return TokenFixture.Forge(header, payload.ToJsonString(), secret);
    }
}
