using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using Microsoft.IdentityModel.Tokens;
using Watchword.Authentication;
using Watchword.Server.Tokens;

namespace Watchword.Tests.Tokens;

internal enum TokenStatus
{
    Invalid, Expired, Valid,
}

/// <summary>An issuer and the rules of the scheme on a clock that the test sets, and a way to forge tokens that the issuer never makes.</summary>
internal sealed class TokenFixture : TimeProvider
{
    public const string Secret = "a secret of thirty-two characters, or more";
    public const string Origin = "https://id.example";
    public const string Header = """{"alg":"HS256","typ":"JWT"}""";

    // 2026-01-01T00:00:00Z
    public const long Now = 1_767_225_600;

    private const string OriginJson = "\"" + Origin + "\"";

    public TokenFixture() => Issuer = new(Secret, Origin, TimeSpan.FromMinutes(15), this);

    public WatchwordAuthenticationOptions Options { get; } = new() { Secret = Secret, Issuer = Origin, Audience = Origin };

    public DateTimeOffset Time { get; set; } = DateTimeOffset.FromUnixTimeSeconds(Now);

    public AccessTokenIssuer Issuer { get; }

    public override DateTimeOffset GetUtcNow() => Time;

    /// <summary>A token for Zoë, with every claim.</summary>
    public string Issue() => Issuer.Issue("user-1", "session-1", "zoë@example.com", "Zoë \"Z\" <z>", "admin");

    public Task<TokenValidationResult> ValidateAsync(string token) =>
        AccessTokenRules.Handler().ValidateTokenAsync(token, AccessTokenRules.Parameters(Options, this));

    /// <summary>Which of the three answers a client would get.</summary>
    public async Task<TokenStatus> StatusOfAsync(string token) => await ValidateAsync(token) switch
    {
        { IsValid: true } => TokenStatus.Valid,
        { Exception: SecurityTokenExpiredException } => TokenStatus.Expired,
        _ => TokenStatus.Invalid,
    };

    public Task<TokenStatus> StatusOfAsync(string header, string payload) => StatusOfAsync(Forge(header, payload));

    /// <summary>A payload like the issuer's, with other or further members; null leaves a member out.</summary>
    public static string Payload(params (string Name, string? Json)[] changes)
    {
        var members = new List<(string Name, string? Json)>
        {
            ("sub", "\"u\""), ("sid", "\"s\""), ("jti", "\"j\""), ("email", "\"e\""), ("iat", $"{Now}"),
            ("exp", $"{Now + 60}"), ("iss", OriginJson), ("aud", OriginJson),
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
