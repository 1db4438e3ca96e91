using Watchword.Events.Postgres;

namespace Watchword.Events.Outbox;

/// <summary>Creates the outbox in schema <c>watchword</c> of the publisher's database.</summary>
public static class OutboxSchema
{
    /// <summary>Migration set <c>outbox</c>.</summary>
    public static MigrationSet Migrations { get; } = MigrationSet.FromResources(
        "outbox", typeof(OutboxSchema).Assembly, "Watchword.Events.Outbox.Migrations");
}
