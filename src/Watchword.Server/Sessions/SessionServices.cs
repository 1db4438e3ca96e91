using Microsoft.AspNetCore.Authorization;
using Watchword.Authentication;
using Watchword.Server.Configuration;
using Watchword.Server.Http;
using Watchword.Server.Store;

namespace Watchword.Server.Sessions;

/// <summary>Registers authentication by access token, and the policy for administrators.</summary>
internal static class SessionServices
{
    public static void AddSessions(this IServiceCollection services, ServerOptions options)
    {
        services.AddSingleton<EndedSessions>();
        services.AddHostedService(s => s.GetRequiredService<EndedSessions>());
        services.AddHostedService<SessionMaintenance>();
        services.AddSingleton<SessionEnded>(s => s.GetRequiredService<EndedSessions>().Add);

        var origin = options.Url.GetLeftPart(UriPartial.Authority);
        services.AddAuthentication().AddWatchword(o => (o.Secret, o.Issuer, o.Audience) = (options.Secret, origin, origin));
        // Data protection writes a key file to the home folder at each start, and nothing here uses it.
        services.Remove(services.Single(s => s.ImplementationType?.FullName == "Microsoft.AspNetCore.DataProtection.Internal.DataProtectionHostedService"));
        services.AddOptions<WatchwordAuthenticationOptions>().Configure<EndedSessions>((o, ended) => o.IsEnded = ended.HasEndedAsync);
        services.AddAuthorization();
        services.AddOptions<AuthorizationOptions>().Configure<IdentityStore>((o, store) =>
            o.AddPolicy(Caller.AdminPolicy, policy => policy.RequireAuthenticatedUser().AddRequirements(new AdminRequirement(store))));
    }
}
