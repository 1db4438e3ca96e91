using Watchword.Tokens;

namespace Watchword.Server.Http;

/// <summary>Who sends a request, by its Bearer token, and that this is an administrator at this moment.</summary>
/// <exception cref="ApiException">401: as <see cref="Authenticate"/>, or the user is no more; 403: no administrator, or banned.</exception>
internal delegate ValueTask<AccessTokenClaims> AuthenticateAdmin(HttpContext context);
