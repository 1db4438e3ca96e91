namespace Watchword.Events.Replay;

/// <summary>What a replay did.</summary>
/// <param name="ReplayId">Its id, which marks what it published.</param>
/// <param name="Events">How many events.</param>
/// <param name="FromStream">How many of them the stream had.</param>
/// <param name="FromOutbox">How many of them the outbox alone had.</param>
/// <param name="FirstSequence">The first one's place in its stream.</param>
/// <param name="LastSequence">The last one's place in its stream.</param>
public sealed record ReplayResult(string ReplayId, long Events, long FromStream, long FromOutbox, ulong FirstSequence, ulong LastSequence)
{
    /// <summary>How many a stream has stored at the target; the others were published to whoever listened.</summary>
    public long Stored { get; init; }

    /// <summary>The streams that took them.</summary>
    public IReadOnlyList<string> Streams { get; init; } = [];
}

/// <summary>Counts while a replay runs.</summary>
internal sealed class ReplayTally(ReplayPlan plan)
{
    private long _fromStream;
    private long _fromOutbox;
    private ulong _first;
    private ulong _last;

    public ReplayPlan Plan => plan;

    public long Events => _fromStream + _fromOutbox;

    public void Add(in ReplayEvent e)
    {
        if (e.FromOutbox)
            _fromOutbox++;
        else
            _fromStream++;
        if (_first == 0)
            _first = e.Sequence;
        _last = e.Sequence;
    }

    /// <exception cref="ReplayRefusedException">There was no event.</exception>
    public ReplayResult Result() => Events > 0
        ? new(plan.Id, Events, _fromStream, _fromOutbox, _first, _last)
        : throw new ReplayRefusedException("", $"There is nothing to replay: stream {plan.Filter.Stream} has no {plan.Filter.Describe()} from sequence {plan.From} to {plan.To}.");
}
