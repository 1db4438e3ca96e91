using Watchword.Events.Postgres;
using Watchword.Events.Subscribing;

namespace Watchword.UserSync;

/// <summary>What user sync needs in the target's database.</summary>
public static class UserSyncSchema
{
    /// <summary>The sets <c>subscribing</c>, for set-aside events in schema <c>watchword</c>, and <c>user-sync</c>: table <c>users</c>.</summary>
    public static IReadOnlyList<MigrationSet> Migrations { get; } =
        [SubscribingSchema.Migrations, MigrationSet.FromResources("user-sync", typeof(UserSyncSchema).Assembly, "Watchword.UserSync.Migrations")];
}
