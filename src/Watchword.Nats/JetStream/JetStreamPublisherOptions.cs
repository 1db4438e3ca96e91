namespace Watchword.Nats;

/// <summary>The bounds of a <see cref="JetStreamPublisher"/>.</summary>
public sealed record JetStreamPublisherOptions
{
    /// <summary>How many messages may wait for their ack; 1 to 65,536. Default 256.</summary>
    public int MaxInFlight { get; init; } = 256;

    /// <summary>How long to wait for each ack; at least 10 ms. It is checked every tenth of it. Default 5 s.</summary>
    public TimeSpan AckTimeout { get; init; } = TimeSpan.FromSeconds(5);

    internal void Validate()
    {
        var errors = new OptionErrors();
        errors.Between(MaxInFlight, 1, 65_536, nameof(MaxInFlight));
        errors.Between(AckTimeout, TimeSpan.FromMilliseconds(10), TimeSpan.FromHours(1), nameof(AckTimeout));
        errors.ThrowIfAny("options");
    }
}

/// <summary>What became of one message that a <see cref="JetStreamPublisher"/> accepted.</summary>
/// <param name="Tag">What the caller gave with the message.</param>
/// <param name="Ack">The ack; meaningless when there is an error.</param>
/// <param name="Error">Why there is no ack; null when there is one. After a time-out or a drop the message may be stored all the same.</param>
public readonly record struct PublishResult(long Tag, PublishAck Ack, NatsException? Error);
