namespace Watchword.Events.Subscribing;

/// <summary>A parked event that failed again.</summary>
/// <param name="Head">The event.</param>
/// <param name="Reason">Why.</param>
/// <param name="Delay">The wait before the next retry; null: it is a dead letter.</param>
/// <param name="Counts">Whether the attempt counts; false while the event only waits for something else.</param>
internal sealed record FailedEvent(ParkedEvent Head, string Reason, TimeSpan? Delay, bool Counts = true);
