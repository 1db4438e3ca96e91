using Watchword.Events.Outbox;
using Watchword.Events.Postgres;

namespace Watchword.Server.Store;

/// <summary>The identity store: the outbox, then Better Auth's tables with the triggers that capture their changes.</summary>
internal static class IdentitySchema
{
    public static IReadOnlyList<MigrationSet> Migrations { get; } =
    [
        OutboxSchema.Migrations,
        MigrationSet.FromResources("identity", typeof(IdentitySchema).Assembly, "Watchword.Server.Store.Schema"),
    ];
}
