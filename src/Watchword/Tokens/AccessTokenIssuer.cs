using System.Buffers;
using System.Buffers.Text;
using System.Security.Cryptography;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;

namespace Watchword.Tokens;

/// <summary>Issues access tokens: JWTs signed with HS256 (RFC 7515, RFC 7519). Safe for use by several threads.</summary>
public sealed class AccessTokenIssuer
{
    // {"alg":"HS256","typ":"JWT"}
    private const string Header = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.";

    // A token is no part of a web page, so only JSON's own escapes are needed.
    private static readonly JsonWriterOptions Json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    private readonly AccessTokenOptions _options;
    private readonly TimeProvider _time;
    private readonly byte[] _key;

    /// <summary>Creates an issuer.</summary>
    /// <param name="options">Secret, issuer, audience and lifetime.</param>
    /// <param name="time">The clock.</param>
    /// <exception cref="ArgumentException">The options are not valid; says all that is wrong.</exception>
    public AccessTokenIssuer(AccessTokenOptions options, TimeProvider time)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.ThrowIfInvalid();
        _options = options;
        _time = time;
        _key = Encoding.UTF8.GetBytes(options.Secret);
    }

    /// <summary>Claims for a token issued now, with a new token id and the options' lifetime.</summary>
    /// <param name="subject">The user's id.</param>
    /// <param name="sessionId">The session's id.</param>
    /// <param name="email">The user's e-mail address.</param>
    /// <param name="name">The user's name.</param>
    /// <param name="role">The user's role.</param>
    public AccessTokenClaims Prepare(string subject, string sessionId, string email, string? name = null, string? role = null)
    {
        var now = _time.GetUtcNow().ToUnixTimeSeconds();
        return new AccessTokenClaims
        {
            Subject = subject,
            SessionId = sessionId,
            TokenId = Guid.CreateVersion7().ToString("N"),
            Email = email,
            Name = name,
            Role = role,
            IssuedAt = DateTimeOffset.FromUnixTimeSeconds(now),
            ExpiresAt = DateTimeOffset.FromUnixTimeSeconds(now + (long)_options.Lifetime.TotalSeconds),
            Issuer = _options.Issuer,
            Audience = _options.Audience,
        };
    }

    /// <summary>The token that says <paramref name="claims"/>; at most <see cref="AccessTokenVerifier.MaxLength"/> long.</summary>
    /// <exception cref="ArgumentException">The claims are too long for a token that a verifier would read.</exception>
    public string Sign(AccessTokenClaims claims)
    {
        ArgumentNullException.ThrowIfNull(claims);
        var payload = new ArrayBufferWriter<byte>(512);
        using (var json = new Utf8JsonWriter(payload, Json))
            Write(json, claims);

        var text = Header + Base64Url.EncodeToString(payload.WrittenSpan);
        Span<byte> signature = stackalloc byte[HMACSHA256.HashSizeInBytes];
        HMACSHA256.HashData(_key, Encoding.ASCII.GetBytes(text), signature);
        var token = text + "." + Base64Url.EncodeToString(signature);
        return token.Length <= AccessTokenVerifier.MaxLength
            ? token
            : throw new ArgumentException("The claims are too long for an access token.", nameof(claims));
    }

    private static void Write(Utf8JsonWriter json, AccessTokenClaims claims)
    {
        json.WriteStartObject();
        json.WriteString("sub"u8, claims.Subject);
        json.WriteString("sid"u8, claims.SessionId);
        json.WriteString("jti"u8, claims.TokenId);
        json.WriteString("email"u8, claims.Email);
        if (claims.Name is { } name)
            json.WriteString("name"u8, name);
        if (claims.Role is { } role)
            json.WriteString("role"u8, role);
        json.WriteNumber("iat"u8, claims.IssuedAt.ToUnixTimeSeconds());
        json.WriteNumber("exp"u8, claims.ExpiresAt.ToUnixTimeSeconds());
        json.WriteString("iss"u8, claims.Issuer);
        json.WriteString("aud"u8, claims.Audience);
        json.WriteEndObject();
    }
}
