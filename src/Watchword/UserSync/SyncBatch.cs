using Watchword.Nats;

namespace Watchword.UserSync;

/// <summary>Events that one transaction applies and that are acknowledged together. Filled, handled, cleared, filled again.</summary>
internal sealed class SyncBatch
{
    /// <summary>All of them, in the order of the stream.</summary>
    public List<JetStreamMessage> Messages { get; } = [];

    /// <summary>What they come to for each user, and the event that said it.</summary>
    public Dictionary<string, (UserChange Change, JetStreamMessage Message)> Newest { get; } = [];

    /// <summary>Those that cannot be applied.</summary>
    public List<DeadLetter> DeadLetters { get; } = [];

    public void Clear()
    {
        // Their memory serves the next ones.
        foreach (var message in Messages)
            message.Dispose();
        Messages.Clear();
        Newest.Clear();
        DeadLetters.Clear();
    }
}
