using Microsoft.AspNetCore.Authorization;
using Watchword.Server.Http;
using Watchword.Server.Store;

namespace Watchword.Server.Sessions;

/// <summary>The caller is an administrator as in Better Auth's admin plugin: role <c>admin</c>, and not banned.</summary>
internal sealed class AdminRequirement(IdentityStore store) : AuthorizationHandler<AdminRequirement>, IAuthorizationRequirement
{
    private const string Admin = "admin";

    /// <exception cref="ApiException">401: the user was deleted since the token was issued.</exception>
    protected override async Task HandleRequirementAsync(AuthorizationHandlerContext context, AdminRequirement requirement)
    {
        if (context.User.Identity is not { IsAuthenticated: true })
            return;
        var ct = (context.Resource as HttpContext)?.RequestAborted ?? CancellationToken.None;
        // Not the token's role but the row's: a demotion or a ban counts at once.
        var user = await store.ReadAsync(UserStatements.Find(context.User.Subject), UserRow.Read, ct) ?? throw ApiException.InvalidToken();
        if (IsAdmin(user))
            context.Succeed(requirement);
    }

    private static bool IsAdmin(UserRow user) =>
        !user.Banned && user.Role is { } roles && roles.Split(',', StringSplitOptions.TrimEntries).Contains(Admin, StringComparer.Ordinal);
}
