namespace Watchword.Events.Subscribing;

/// <summary>What came of a parked event that did not fail.</summary>
/// <param name="SupersededBy">A newer state that is stored already, as in <c>version 12</c>: the event changes nothing any more. Null otherwise.</param>
/// <param name="Waits">What it waits for; it is tried again after the delay, as often as need be. Null when it need not wait.</param>
/// <param name="Delay">The wait before it is tried again.</param>
internal readonly record struct ParkedOutcome(string? SupersededBy = null, string? Waits = null, TimeSpan Delay = default)
{
    /// <summary>It was handled.</summary>
    public static ParkedOutcome Handled => default;
}
