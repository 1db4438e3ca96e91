namespace Watchword.Events.Replay;

/// <summary>A replay makes no sense, or would do harm. Nothing was done.</summary>
/// <param name="field">The field at fault, by its name in JSON; empty when no single field is.</param>
/// <param name="reason">Why, and what to do. With the field's name before it, it makes a sentence.</param>
public sealed class ReplayRefusedException(string field, string reason) : Exception(field.Length > 0 ? $"{field} {reason}" : reason)
{
    /// <summary>The field at fault, by its name in JSON; empty when no single field is.</summary>
    public string Field { get; } = field;

    /// <summary>Why, and what to do.</summary>
    public string Reason { get; } = reason;

    /// <summary>Whether the caller may insist, where a way to do so exists (<c>--force</c>).</summary>
    public bool CanBeForced { get; init; }
}
