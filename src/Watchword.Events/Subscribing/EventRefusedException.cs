namespace Watchword.Events.Subscribing;

/// <summary>An event that a handler cannot take. Its message is the reason that operators read, and nothing is put before it.</summary>
/// <param name="reason">In plain English; names the field.</param>
/// <param name="isLasting">Whether another delivery would end the same: then there is none, and it is set aside at once.</param>
public sealed class EventRefusedException(string reason, bool isLasting = true) : Exception(reason)
{
    /// <summary>Whether another delivery would end the same.</summary>
    public bool IsLasting { get; } = isLasting;
}
