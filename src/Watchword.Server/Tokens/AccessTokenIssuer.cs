using System.Text;
using Microsoft.IdentityModel.JsonWebTokens;
using Microsoft.IdentityModel.Tokens;
using Watchword.Authentication;

namespace Watchword.Server.Tokens;

/// <summary>Issues access tokens: JWTs signed with HS256. Thread-safe.</summary>
/// <param name="secret">32 characters or more; its UTF-8 bytes are the HMAC key.</param>
/// <param name="origin">Issuer and audience of every token.</param>
/// <param name="lifetime">How long a token is valid, in whole seconds.</param>
/// <param name="clock">The clock for <c>iat</c> and <c>exp</c>.</param>
internal sealed class AccessTokenIssuer(string secret, string origin, TimeSpan lifetime, TimeProvider clock)
{
    // Better Auth takes names of any length. A header with such a token would be refused.
    private const int LongestName = 200;

    private readonly JsonWebTokenHandler _handler = new() { SetDefaultTimesOnTokenCreation = false };
    private readonly SigningCredentials _key = new(new SymmetricSecurityKey(Encoding.UTF8.GetBytes(secret)), SecurityAlgorithms.HmacSha256);

    public TimeSpan Lifetime => lifetime;

    /// <summary>A token issued now, with an id of its own (<c>jti</c>). A name of more than 200 characters is left out.</summary>
    /// <exception cref="InvalidOperationException">The token would be longer than any backend accepts.</exception>
    public string Issue(string userId, string sessionId, string email, string? name, string? role)
    {
        var now = clock.GetUtcNow().UtcDateTime;
        var claims = new Dictionary<string, object>
        {
            [JwtRegisteredClaimNames.Sub] = userId,
            [JwtRegisteredClaimNames.Sid] = sessionId,
            [JwtRegisteredClaimNames.Jti] = Guid.CreateVersion7().ToString("N"),
            [JwtRegisteredClaimNames.Email] = email,
        };
        if (name?.Length <= LongestName)
            claims[JwtRegisteredClaimNames.Name] = name;
        if (role is not null)
            claims["role"] = role;
        var token = _handler.CreateToken(new SecurityTokenDescriptor
        {
            Issuer = origin,
            Audience = origin,
            IssuedAt = now,
            Expires = now + lifetime,
            Claims = claims,
            SigningCredentials = _key,
        });
        return token.Length <= WatchwordAuthentication.MaxTokenLength
            ? token
            : throw new InvalidOperationException($"The access token of user {userId} would have {token.Length} characters, more than {WatchwordAuthentication.MaxTokenLength}: shorten the user's e-mail address or role");
    }
}
