using Watchword.Tokens;

namespace Watchword.Server.Http;

/// <summary>Who sends a request, by its Bearer token.</summary>
/// <exception cref="ApiException">401: no token, not a valid one, expired, or of an ended session.</exception>
internal delegate ValueTask<AccessTokenClaims> Authenticate(HttpContext context);
