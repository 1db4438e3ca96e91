namespace Watchword.Events.Replay;

/// <summary>Counts the events of a running replay.</summary>
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
