using NATS.Client.JetStream.Models;

namespace Watchword.UserSync;

/// <summary>How user sync works.</summary>
public sealed record UserSyncOptions
{
    /// <summary>The stream that is read.</summary>
    public string Stream { get; init; } = "identity-changes";

    /// <summary>The subjects that are read: <c>user.sync</c> and <c>user.erased</c>.</summary>
    public string Subject { get; init; } = "user.*";

    /// <summary>The durable consumer; of the processes that share the name one works, and the others stand by.</summary>
    public string Durable { get; init; } = "user-sync";

    /// <summary>Events that are applied in one transaction. 1 to 20,000.</summary>
    public int BatchSize { get; init; } = 500;

    /// <summary>The server delivers an event again that was not acknowledged for so long.</summary>
    public TimeSpan AckWait { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How often an event that the table refuses is tried before it is a dead letter. Later events of its user wait meanwhile.</summary>
    public int MaxDeliver { get; init; } = 3;

    /// <summary>The wait before the second try; it quadruples.</summary>
    public TimeSpan Backoff { get; init; } = TimeSpan.FromMilliseconds(250);

    /// <summary>Skips events of this origin (header <c>Watchword-Origin</c>): what this service caused itself.</summary>
    public string? SkipOrigin { get; init; }

    /// <summary>After a failure of the database, the first wait; doubles up to <see cref="RetryDelayMax"/>.</summary>
    public TimeSpan RetryDelayMin { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>The longest wait after a failure.</summary>
    public TimeSpan RetryDelayMax { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>The durable consumer that user sync reads.</summary>
    internal ConsumerConfig Consumer() => new()
    {
        DurableName = Durable,
        Description = "Keeps a users table in step",
        FilterSubject = Subject,
        DeliverPolicy = ConsumerConfigDeliverPolicy.All,
        AckPolicy = ConsumerConfigAckPolicy.All,   // one ack a batch
        AckWait = AckWait,
        MaxAckPending = BatchSize * 4,
        // A database that is down for an hour must not use up the deliveries: an event that cannot be applied is parked.
        MaxDeliver = -1,
    };
}
