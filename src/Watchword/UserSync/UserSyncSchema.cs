using Watchword.Events.Postgres;
using Watchword.Events.Subscribing;

namespace Watchword.UserSync;

/// <summary>Creates user sync's tables in the target database.</summary>
public static class UserSyncSchema
{
    /// <summary>Migration sets <c>subscribing</c> (parked events) and <c>user-sync</c> (table <c>users</c>).</summary>
    public static IReadOnlyList<MigrationSet> Migrations { get; } =
        [SubscribingSchema.Migrations, MigrationSet.FromResources("user-sync", typeof(UserSyncSchema).Assembly, "Watchword.UserSync.Migrations")];
}
