namespace Watchword.Nats;

/// <summary>Who receives what a subscription brings. All calls but the first come from the connection's supervisor.</summary>
internal interface IReceiver
{
    /// <summary>On the read loop: must not block, and the frame's memory is gone after it returns.</summary>
    void OnMessage(in Frame frame);

    /// <summary>The connection is open (again) and the subscription stands.</summary>
    void OnOpen();

    /// <summary>The connection dropped; what was asked of it will not be answered.</summary>
    void OnDisconnected(NatsException reason);

    /// <summary>The subscription is over: it was refused, or the connection is disposed (null).</summary>
    void OnEnded(NatsException? reason);
}

/// <summary>One SUB. Its number stays the same over reconnects.</summary>
internal sealed class Subscription(IReceiver receiver, string subject, string? queueGroup = null)
{
    public IReceiver Receiver { get; } = receiver;

    public string Subject { get; } = subject;

    public string? QueueGroup { get; } = queueGroup;

    public long Sid { get; set; }

    public byte[] Command() => ProtocolWriter.Subscribe(Subject, QueueGroup, Sid);
}
