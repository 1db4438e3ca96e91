using Microsoft.Extensions.DependencyInjection;
using Npgsql;

namespace Watchword.UserSync;

/// <summary>Registers user sync with a host.</summary>
public static class UserSyncServices
{
    /// <summary>Keeps <paramref name="target"/>'s users table in step. Needs a <c>NatsConnection</c> and a <c>JetStream</c>.</summary>
    public static IServiceCollection AddUserSync(this IServiceCollection services, NpgsqlDataSource target, UserSyncOptions options)
    {
        services.AddSingleton(s => ActivatorUtilities.CreateInstance<UserSyncWorker>(s, target, options));
        return services.AddHostedService(s => s.GetRequiredService<UserSyncWorker>());
    }
}
