using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Watchword.Tokens;

namespace Watchword.Tests.Tokens;

/// <summary>An issuer and a verifier with a clock that stands, and a forge for tokens that the issuer never makes.</summary>
internal sealed class TokenFixture : TimeProvider
{
    public const string Secret = "a secret of thirty-two characters, or more";
    public const string Header = """{"alg":"HS256","typ":"JWT"}""";

    // 2026-01-01T00:00:00Z
    public const long Now = 1_767_225_600;

    public TokenFixture()
    {
        Issuer = new AccessTokenIssuer(Options, this);
        Verifier = new AccessTokenVerifier(Options, this);
    }

    public static AccessTokenOptions Options { get; } =
        new() { Secret = Secret, Issuer = "https://id.example", Audience = "https://api.example" };

    public DateTimeOffset Time { get; set; } = DateTimeOffset.FromUnixTimeSeconds(Now);

    public AccessTokenIssuer Issuer { get; }

    public AccessTokenVerifier Verifier { get; }

    public override DateTimeOffset GetUtcNow() => Time;

    public AccessTokenClaims Claims() => Issuer.Prepare("user-1", "session-1", "zoë@example.com", "Zoë \"Z\" <z>", "admin");

    public AccessTokenStatus StatusOf(string header, string payload) => Verifier.Verify(Forge(header, payload)).Status;

    /// <summary>A payload like the issuer's, with more or other members; null leaves a member out.</summary>
    public static string Payload(params (string Name, string? Json)[] changes)
    {
        var members = new List<(string Name, string? Json)>
        {
            ("sub", "\"u\""), ("sid", "\"s\""), ("jti", "\"j\""), ("email", "\"e\""), ("iat", $"{Now}"),
            ("exp", $"{Now + 60}"), ("iss", "\"https://id.example\""), ("aud", "\"https://api.example\""),
        };
        foreach (var change in changes)
        {
            members.RemoveAll(m => m.Name == change.Name);
            members.Add(change);
        }

        return "{" + string.Join(',', members.Where(m => m.Json is not null).Select(m => $"\"{m.Name}\":{m.Json}")) + "}";
    }

    public static string Forge(string header, string payload, string secret = Secret) =>
        Sign(Encode(Encoding.UTF8.GetBytes(header)) + "." + Encode(Encoding.UTF8.GetBytes(payload)), secret);

    public static string Sign(string text, string secret = Secret) =>
        text + "." + Encode(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), Encoding.ASCII.GetBytes(text)));

    public static string Encode(byte[] bytes) => Base64Url.EncodeToString(bytes);
}
