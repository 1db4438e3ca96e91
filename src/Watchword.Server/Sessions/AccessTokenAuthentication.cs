using Watchword.Server.Http;
using Watchword.Tokens;

namespace Watchword.Server.Sessions;

/// <summary>Knows a request's sender by its access token, and that the token's session has not ended.</summary>
internal sealed class AccessTokenAuthentication(AccessTokenVerifier verifier, EndedSessions ended)
{
    private const string Scheme = "Bearer ";

    /// <inheritdoc cref="Authenticate"/>
    public async ValueTask<AccessTokenClaims> AuthenticateAsync(HttpContext context)
    {
        var header = context.Request.Headers.Authorization.ToString();
        if (!header.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
            throw ApiException.InvalidToken();
        var result = verifier.Verify(header.AsSpan(Scheme.Length).Trim());
        if (result.Status == AccessTokenStatus.Expired)
            throw ApiException.TokenExpired();
        if (result.Claims is not { } claims || await ended.HasEndedAsync(claims.SessionId, context.RequestAborted))
            throw ApiException.InvalidToken();
        return claims;
    }
}
