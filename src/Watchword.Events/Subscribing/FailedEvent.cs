namespace Watchword.Events.Subscribing;

/// <summary>A parked event that failed again.</summary>
/// <param name="Head">The event.</param>
/// <param name="Reason">Why.</param>
/// <param name="Delay">The wait before the next retry; null: it is a dead letter.</param>
internal sealed record FailedEvent(ParkedEvent Head, string Reason, TimeSpan? Delay);
