using Watchword.Events.Postgres;

namespace Watchword.Events.Outbox;

/// <summary>The tables of the outbox, in schema <c>watchword</c> of the publishing database.</summary>
public static class OutboxSchema
{
    /// <summary>The set <c>outbox</c>.</summary>
    public static MigrationSet Migrations { get; } = MigrationSet.FromResources(
        "outbox", typeof(OutboxSchema).Assembly, "Watchword.Events.Outbox.Migrations");
}
