using Watchword.Events.Postgres;

namespace Watchword.UserSync;

/// <summary>What user sync needs in the target's database.</summary>
public static class UserSyncSchema
{
    /// <summary>The set <c>user-sync</c>: table <c>users</c>, and set-aside events in schema <c>watchword</c>.</summary>
    public static IReadOnlyList<MigrationSet> Migrations { get; } =
        [MigrationSet.FromResources("user-sync", typeof(UserSyncSchema).Assembly, "Watchword.UserSync.Migrations")];
}
