using Watchword.Events.Outbox;
using Watchword.Events.Postgres;

namespace Watchword.Server.Store;

/// <summary>Creates the identity store: the outbox, Better Auth's tables, sessions, and the triggers that capture changes.</summary>
internal static class IdentitySchema
{
    public static IReadOnlyList<MigrationSet> Migrations { get; } =
    [
        OutboxSchema.Migrations,
        MigrationSet.FromResources("identity", typeof(IdentitySchema).Assembly, "Watchword.Server.Store.Schema"),
    ];
}
