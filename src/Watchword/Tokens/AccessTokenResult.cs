using System.Diagnostics.CodeAnalysis;

namespace Watchword.Tokens;

/// <summary>Whether a token holds.</summary>
public enum AccessTokenStatus
{
    /// <summary>Not a token of ours: malformed, of another algorithm, signature, issuer or audience, or not yet valid.</summary>
    Invalid,

    /// <summary>Ours, and its time is over.</summary>
    Expired,

    /// <summary>Ours and in force; whether it is revoked is another question.</summary>
    Valid,
}

/// <summary>The answer of <see cref="AccessTokenVerifier.Verify(ReadOnlySpan{char})"/>.</summary>
public sealed record AccessTokenResult
{
    private AccessTokenResult(AccessTokenStatus status, AccessTokenClaims? claims = null) =>
        (Status, Claims) = (status, claims);

    /// <summary>Whether the token holds.</summary>
    public AccessTokenStatus Status { get; }

    /// <summary>What it says; null unless it is valid.</summary>
    public AccessTokenClaims? Claims { get; }

    /// <summary>Whether the token is valid, which is when there are claims.</summary>
    [MemberNotNullWhen(true, nameof(Claims))]
    public bool IsValid => Status == AccessTokenStatus.Valid;

    internal static AccessTokenResult Invalid { get; } = new(AccessTokenStatus.Invalid);

    internal static AccessTokenResult Expired { get; } = new(AccessTokenStatus.Expired);

    internal static AccessTokenResult Valid(AccessTokenClaims claims) => new(AccessTokenStatus.Valid, claims);
}
