using Watchword.Events.Postgres;

namespace Watchword.Events.Subscribing;

/// <summary>Creates a subscriber's tables in schema <c>watchword</c> of its own database.</summary>
public static class SubscribingSchema
{
    /// <summary>Migration set <c>subscribing</c>.</summary>
    public static MigrationSet Migrations { get; } = MigrationSet.FromResources(
        "subscribing", typeof(SubscribingSchema).Assembly, "Watchword.Events.Subscribing.Migrations");
}
