using Watchword.Events.JetStream;

namespace Watchword.UserSync;

/// <summary>An event as it was read: a change, or the reason why it is none.</summary>
internal readonly record struct SyncEvent(Delivery Message, UserChange Change, string? Fault);

/// <summary>Events that one transaction applies and that are acknowledged together. Filled, handled, cleared, filled again.</summary>
internal sealed class SyncBatch
{
    /// <summary>All of them, in the order of the stream.</summary>
    public List<SyncEvent> Events { get; } = [];

    /// <summary>How many of them were looked at. Events before one that is parked are applied first.</summary>
    public int Seen { get; set; }

    /// <summary>What they come to for each user.</summary>
    public Dictionary<string, UserChange> Newest { get; } = [];

    /// <summary>Those that the parking lot has.</summary>
    public HashSet<Delivery> Parked { get; } = [];

    public void Clear()
    {
        Events.Clear();
        Seen = 0;
        Newest.Clear();
        Parked.Clear();
    }
}
