using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Watchword.Events;

namespace Watchword.UserSync;

/// <summary>Registers user sync with a host.</summary>
public static class UserSyncServices
{
    /// <summary>
    /// Keeps <paramref name="target"/>'s users table in step, over the <c>INatsConnection</c> that the host registered
    /// (<c>AddNatsClient()</c>), else after the settings <c>NATS_*</c>.
    /// </summary>
    public static IServiceCollection AddUserSync(this IServiceCollection services, NpgsqlDataSource target, UserSyncOptions options)
    {
        services.AddJetStreamClient();
        services.AddSingleton(s => ActivatorUtilities.CreateInstance<UserSyncWorker>(s, target, options));
        return services.AddHostedService(s => s.GetRequiredService<UserSyncWorker>());
    }
}
