namespace Watchword.Tokens;

/// <summary>What an access token says (RFC 7519, section 4).</summary>
public sealed record AccessTokenClaims
{
    /// <summary>The user's id, <c>sub</c>.</summary>
    public required string Subject { get; init; }

    /// <summary>The session's id, <c>sid</c>: ends with the session, is shared by its tokens.</summary>
    public required string SessionId { get; init; }

    /// <summary>The token's own id, <c>jti</c>, by which it is revoked.</summary>
    public required string TokenId { get; init; }

    /// <summary>The user's e-mail address when the token was issued, <c>email</c>.</summary>
    public required string Email { get; init; }

    /// <summary>The user's name when the token was issued, <c>name</c>.</summary>
    public string? Name { get; init; }

    /// <summary>The user's role when the token was issued, <c>role</c>.</summary>
    public string? Role { get; init; }

    /// <summary>When the token was issued, <c>iat</c>; whole seconds.</summary>
    public required DateTimeOffset IssuedAt { get; init; }

    /// <summary>When the token ceases to be valid, <c>exp</c>; whole seconds.</summary>
    public required DateTimeOffset ExpiresAt { get; init; }

    /// <summary>Who issued the token, <c>iss</c>.</summary>
    public required string Issuer { get; init; }

    /// <summary>Whom the token is for, <c>aud</c>: of several, the one that this verifier asked for.</summary>
    public required string Audience { get; init; }
}
