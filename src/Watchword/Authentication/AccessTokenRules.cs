using System.Buffers;
using System.Text;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;

namespace Watchword.Authentication;

/// <summary>Which access tokens are valid: signed with HS256 and the shared secret, for this audience, and in force.</summary>
internal static class AccessTokenRules
{
    /// <summary>How far ahead of our clock a token may have been issued, on top of the clock skew.</summary>
    public static readonly TimeSpan MaxIssuedAhead = TimeSpan.FromMinutes(1);

    // The last second that DateTime can hold, in the year 9999.
    private const long MaxSeconds = 253_402_300_799;

    // Of base64url and the dots between its parts; the library also decodes padding and white space.
    private static readonly SearchValues<char> Alphabet =
        SearchValues.Create(".ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_");

    private static readonly string[] RequiredTexts =
        [JwtRegisteredClaimNames.Sub, JwtRegisteredClaimNames.Sid, JwtRegisteredClaimNames.Jti, JwtRegisteredClaimNames.Email];

    private static readonly string[] RequiredTimes = [JwtRegisteredClaimNames.Iat, JwtRegisteredClaimNames.Exp];

    /// <summary>The handler that reads tokens: bounded in length, and with the claims' own names.</summary>
    public static JsonWebTokenHandler Handler() => new() { MapInboundClaims = false, MaximumTokenSizeInBytes = WatchwordAuthentication.MaxTokenLength };

    /// <param name="options">Valid options, with secret, issuer and audience.</param>
    /// <param name="time">The clock that tokens are compared with.</param>
    public static TokenValidationParameters Parameters(WatchwordAuthenticationOptions options, TimeProvider time) => new()
    {
        IssuerSigningKey = new SymmetricSecurityKey(Encoding.UTF8.GetBytes(options.Secret!)),
        ValidAlgorithms = [SecurityAlgorithms.HmacSha256],
        ValidIssuer = options.Issuer,
        ValidAudience = options.Audience,
        ClockSkew = options.ClockSkew,
        RequireSignedTokens = true,
        RequireExpirationTime = true,
        TypeValidator = Type,
        LifetimeValidator = (notBefore, expires, token, rules) =>
            token is JsonWebToken jwt && IsWellFormed(jwt) && IsInForce(jwt, notBefore, expires, rules, time.GetUtcNow().UtcDateTime),
        NameClaimType = JwtRegisteredClaimNames.Name,
        RoleClaimType = "role",
    };

    // RFC 7515, section 4.1.9, leaves typ optional; the library's list of types does not.
    private static string Type(string? type, SecurityToken token, TokenValidationParameters rules) =>
        string.IsNullOrEmpty(type) || type.Equals(JwtConstants.HeaderType, StringComparison.OrdinalIgnoreCase)
            ? JwtConstants.HeaderType
            : throw new SecurityTokenInvalidTypeException("The token's type must be JWT.") { InvalidType = type };

    // What RFC 7515 and our contract require and the library does not check. Called after the signature was verified.
    private static bool IsWellFormed(JsonWebToken token) =>
        !token.EncodedToken.AsSpan().ContainsAnyExcept(Alphabet)
        && !token.TryGetHeaderValue<object>("crit", out _)
        && RequiredTexts.All(claim => token.TryGetPayloadValue<object>(claim, out var value) && value is string)
        && RequiredTimes.All(claim => token.TryGetPayloadValue<long>(claim, out var seconds) && seconds is >= 0 and <= MaxSeconds);

    // The library accepts a token in the very second of its exp; RFC 7519, section 4.1.4, does not.
    private static bool IsInForce(JsonWebToken token, DateTime? notBefore, DateTime? expires, TokenValidationParameters rules, DateTime now)
    {
        if (notBefore > now + rules.ClockSkew || token.IssuedAt > now + rules.ClockSkew + MaxIssuedAhead)
            return false;
        if (expires > now - rules.ClockSkew)
            return true;
        // Issuer and audience are checked later. Only a token of ours is called expired.
        return token.Issuer == rules.ValidIssuer && token.Audiences.Contains(rules.ValidAudience, StringComparer.Ordinal)
            ? throw new SecurityTokenExpiredException("The token has expired.") { Expires = expires ?? default }
            : false;
    }
}
