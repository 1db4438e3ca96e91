namespace Watchword.Events.Subscribing;

/// <summary>An event on its way into <c>watchword.parked_event</c>.</summary>
/// <param name="Context">The event; acknowledged when its row is committed.</param>
/// <param name="State">retrying, failed or waiting.</param>
/// <param name="Reason">Why; null while it only waits.</param>
/// <param name="Attempts">How often it was tried.</param>
/// <param name="Delay">The wait before the next attempt; null when there is none.</param>
/// <param name="Suspect">It may be what kills the process.</param>
internal sealed record ParkRequest(EventContext Context, string State, string? Reason, int Attempts, TimeSpan? Delay, bool Suspect = false);
