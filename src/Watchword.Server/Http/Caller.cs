using System.Security.Claims;
using Microsoft.IdentityModel.JsonWebTokens;

namespace Watchword.Server.Http;

/// <summary>What an access token says of the caller. Only for endpoints that require authorization.</summary>
internal static class Caller
{
    /// <summary>The policy for administrators.</summary>
    public const string AdminPolicy = "admin";

    extension(ClaimsPrincipal user)
    {
        /// <summary>The user's id.</summary>
        public string Subject => user.FindFirstValue(JwtRegisteredClaimNames.Sub)!;

        /// <summary>The id of the session that the token belongs to.</summary>
        public string SessionId => user.FindFirstValue(JwtRegisteredClaimNames.Sid)!;
    }
}
