using Watchword.Events.JetStream;

namespace Watchword.UserSync;

/// <summary>An event as it was read: a state, or the reason why it is none.</summary>
internal readonly record struct SyncEvent(Delivery Message, UserChange Change, string? Fault);

/// <summary>Events that one transaction applies and that are acknowledged together. Filled, handled, cleared, filled again.</summary>
internal sealed class SyncBatch
{
    /// <summary>All of them, in the order of the stream.</summary>
    public List<SyncEvent> Events { get; } = [];

    /// <summary>What they come to for each user.</summary>
    public Dictionary<string, UserChange> Newest { get; } = [];

    /// <summary>Whether the parking lot has some of them.</summary>
    public bool HasParked { get; set; }

    public void Clear()
    {
        Events.Clear();
        Newest.Clear();
        HasParked = false;
    }
}
