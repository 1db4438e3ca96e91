namespace Watchword.Authentication;

/// <summary>How a backend checks the access tokens of a Watchword server.</summary>
public sealed class WatchwordAuthenticationOptions
{
    /// <summary>The fewest characters of <see cref="Secret"/>.</summary>
    public const int MinSecretLength = 32;

    /// <summary>
    /// The secret that the server signs with, 32 characters or more; its UTF-8 bytes are the HMAC key. Read from
    /// <c>BETTER_AUTH_SECRET</c> when it is not given.
    /// </summary>
    public string? Secret { get; set; }

    /// <summary>The <c>iss</c> of every token. The origin of <c>BETTER_AUTH_URL</c> when it is not given.</summary>
    public string? Issuer { get; set; }

    /// <summary>The <c>aud</c> of every token, or one of them. The origin of <c>BETTER_AUTH_URL</c> when it is not given.</summary>
    public string? Audience { get; set; }

    /// <summary>How far the clocks of the server and this backend may differ: 0 to 5 minutes; 0 by default.</summary>
    public TimeSpan ClockSkew { get; set; }

    /// <summary>
    /// Says whether the session with this id (claim <c>sid</c>) has ended; its tokens are then refused. Called for every
    /// valid token. When it throws, the request fails: a session that cannot be checked lets nobody in. Not set, a token
    /// is accepted until it expires.
    /// </summary>
    public Func<string, CancellationToken, ValueTask<bool>>? IsEnded { get; set; }
}
