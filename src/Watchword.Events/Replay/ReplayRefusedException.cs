namespace Watchword.Events.Replay;

/// <summary>A replay that makes no sense, or would do harm. Nothing was done.</summary>
/// <param name="field">What is at fault, by its name in JSON; empty when it is the whole.</param>
/// <param name="reason">Why and what to do; with a field before it, it makes a sentence.</param>
public sealed class ReplayRefusedException(string field, string reason) : Exception(field.Length > 0 ? $"{field} {reason}" : reason)
{
    /// <summary>What is at fault, by its name in JSON; empty when it is the whole.</summary>
    public string Field { get; } = field;

    /// <summary>Why and what to do.</summary>
    public string Reason { get; } = reason;

    /// <summary>Whether it is done when it is forced, where whoever asked can.</summary>
    public bool CanBeForced { get; init; }
}
