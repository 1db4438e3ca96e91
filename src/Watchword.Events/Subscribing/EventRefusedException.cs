namespace Watchword.Events.Subscribing;

/// <summary>A handler cannot take this event. Operators read the message as it is.</summary>
/// <param name="reason">In plain English; names the field.</param>
/// <param name="isLasting">Whether a retry would fail the same way: then the event is a dead letter at once.</param>
public sealed class EventRefusedException(string reason, bool isLasting = true) : Exception(reason)
{
    /// <summary>Whether a retry would fail the same way.</summary>
    public bool IsLasting { get; } = isLasting;
}
