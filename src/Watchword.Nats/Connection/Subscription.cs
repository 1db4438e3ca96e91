namespace Watchword.Nats;

/// <summary>Who receives what a subscription brings. Calls come from the read loop (the first two) and the supervisor.</summary>
internal interface IReceiver
{
    /// <summary>It waits for answers to what we send, and so must outlast the readers when the connection drains.</summary>
    bool IsInbox { get; }

    /// <summary>On the read loop: must not block, and the frame's memory is gone after it returns.</summary>
    void OnMessage(in Frame frame);

    /// <summary>The server refused a publish to this subject.</summary>
    void OnPublishDenied(string subject, NatsPermissionException reason)
    {
        // Of no interest to who publishes nothing.
    }

    /// <summary>
    /// The connection is closing in an orderly way. A reader's subscription has ended by then and all that it brought
    /// was handed over; an inbox still stands. Completes when all in hand is done with.
    /// </summary>
    Task DrainAsync();

    /// <summary>The connection is open (again) and the subscription stands.</summary>
    void OnOpen()
    {
        // The messages just go on.
    }

    /// <summary>The connection dropped; what was asked of it will not be answered.</summary>
    void OnDisconnected(NatsException reason)
    {
        // Of no interest to who waits for nothing.
    }

    /// <summary>The subscription is over: it was refused, or the connection is disposed (null).</summary>
    void OnEnded(NatsException? reason);
}

/// <summary>One SUB. Its number stays the same over reconnects.</summary>
/// <param name="receiver">Who gets the messages.</param>
/// <param name="subject">The subject; it may hold wildcards.</param>
/// <param name="queueGroup">The group that shares the messages, if any.</param>
/// <param name="maxMessages">After that many the server ends it by itself (auto-unsubscribe).</param>
internal sealed class Subscription(IReceiver receiver, string subject, string? queueGroup = null, long? maxMessages = null)
{
    public IReceiver Receiver { get; } = receiver;

    public string Subject { get; } = subject;

    public string? QueueGroup { get; } = queueGroup;

    public long Sid { get; set; }

    private long Received { get; set; }

    /// <summary>Counts a message; true at the last one that was asked for.</summary>
    public bool IsLast() => maxMessages is { } max && ++Received >= max;

    /// <summary>SUB and, where there is an end, how many are still to come.</summary>
    public byte[] Command() => maxMessages is { } max
        ? [.. ProtocolWriter.Subscribe(Subject, QueueGroup, Sid), .. ProtocolWriter.Unsubscribe(Sid, max - Received)]
        : ProtocolWriter.Subscribe(Subject, QueueGroup, Sid);
}
