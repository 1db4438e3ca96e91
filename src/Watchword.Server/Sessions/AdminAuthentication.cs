using Watchword.Server.Http;
using Watchword.Server.Store;
using Watchword.Tokens;

namespace Watchword.Server.Sessions;

/// <summary>Knows administrators as Better Auth's admin plugin does: by role <c>admin</c> in the user's row.</summary>
internal sealed class AdminAuthentication(Authenticate authenticate, IdentityStore store)
{
    private const string Admin = "admin";

    /// <inheritdoc cref="AuthenticateAdmin"/>
    public async ValueTask<AccessTokenClaims> AuthenticateAsync(HttpContext context)
    {
        var caller = await authenticate(context);
        // The row, not the token: who is demoted or banned stops at once.
        var user = await store.ReadAsync(UserStatements.Find(caller.Subject), UserRow.Read, context.RequestAborted) ?? throw ApiException.InvalidToken();
        return IsAdmin(user) ? caller : throw ApiException.InsufficientPermissions();
    }

    private static bool IsAdmin(UserRow user) =>
        !user.Banned && user.Role is { } roles && roles.Split(',', StringSplitOptions.TrimEntries).Contains(Admin, StringComparer.Ordinal);
}
