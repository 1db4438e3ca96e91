using Watchword.Events.Postgres;

namespace Watchword.Events.Subscribing;

/// <summary>The tables of a subscriber, in schema <c>watchword</c> of its own database.</summary>
public static class SubscribingSchema
{
    /// <summary>The set <c>subscribing</c>.</summary>
    public static MigrationSet Migrations { get; } = MigrationSet.FromResources(
        "subscribing", typeof(SubscribingSchema).Assembly, "Watchword.Events.Subscribing.Migrations");
}
