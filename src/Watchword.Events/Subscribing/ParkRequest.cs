using NATS.Client.Core;
using Watchword.Events.JetStream;

namespace Watchword.Events.Subscribing;

/// <summary>An event on its way to <c>watchword.parked_event</c>.</summary>
/// <param name="Context">The event.</param>
/// <param name="Message">What to acknowledge when it is there.</param>
/// <param name="State">retrying, failed or waiting.</param>
/// <param name="Reason">Why; null while it only waits.</param>
/// <param name="Attempts">How often it was tried.</param>
/// <param name="Delay">Until it is tried again; null when that is for somebody else to say.</param>
/// <param name="Suspect">It may be what takes the process down.</param>
internal sealed record ParkRequest(EventContext Context, JetStreamMessage Message, string State, string? Reason, int Attempts, TimeSpan? Delay, bool Suspect = false);
