namespace Watchword.Events.Replay;

/// <summary>What a replay did.</summary>
/// <param name="ReplayId">The replay's id, which marks the events that it published.</param>
/// <param name="Events">The number of events.</param>
/// <param name="FromStream">How many of them came from the stream.</param>
/// <param name="FromOutbox">How many of them came from the outbox.</param>
/// <param name="FirstSequence">The first event's sequence.</param>
/// <param name="LastSequence">The last event's sequence.</param>
public sealed record ReplayResult(string ReplayId, long Events, long FromStream, long FromOutbox, ulong FirstSequence, ulong LastSequence)
{
    /// <summary>How many events a stream stored at the target; the others went to whoever was subscribed.</summary>
    public long Stored { get; init; }

    /// <summary>The names of the streams that stored them.</summary>
    public IReadOnlyList<string> Streams { get; init; } = [];
}
