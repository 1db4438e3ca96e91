namespace Watchword.Events.Replay;

/// <summary>A replay with a fixed range: events that are published from now on are not part of it.</summary>
/// <param name="Id">The replay's id, a UUIDv7.</param>
/// <param name="Filter">Which events to replay.</param>
/// <param name="From">The first sequence.</param>
/// <param name="To">The last sequence.</param>
/// <param name="StreamFirst">The oldest sequence that the stream still holds; older events come from the outbox.</param>
/// <param name="Source">The <c>ce-source</c> of events from the outbox.</param>
public sealed record ReplayPlan(string Id, ReplayFilter Filter, ulong From, ulong To, ulong StreamFirst, string Source)
{
    /// <summary>Whether the range begins before the oldest event that the stream still holds.</summary>
    internal bool BeyondStream { get; init; }
}
