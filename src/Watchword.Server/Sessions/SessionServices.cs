using Watchword.Server.Http;
using Watchword.Server.Store;

namespace Watchword.Server.Sessions;

/// <summary>Registers authentication by access token, of users and of administrators.</summary>
internal static class SessionServices
{
    public static void AddSessions(this IServiceCollection services)
    {
        services.AddSingleton<EndedSessions>();
        services.AddHostedService(s => s.GetRequiredService<EndedSessions>());
        services.AddHostedService<SessionMaintenance>();
        services.AddSingleton<SessionEnded>(s => s.GetRequiredService<EndedSessions>().Add);
        services.AddSingleton<AccessTokenAuthentication>();
        services.AddSingleton<Authenticate>(s => s.GetRequiredService<AccessTokenAuthentication>().AuthenticateAsync);
        services.AddSingleton<AdminAuthentication>();
        services.AddSingleton<AuthenticateAdmin>(s => s.GetRequiredService<AdminAuthentication>().AuthenticateAsync);
    }
}
