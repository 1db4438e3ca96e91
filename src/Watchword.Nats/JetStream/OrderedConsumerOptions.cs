namespace Watchword.Nats;

/// <summary>What an <see cref="OrderedConsumer"/> reads, and from where.</summary>
public sealed record OrderedConsumerOptions
{
    /// <summary>Only messages of this subject; it may hold wildcards. Null: all.</summary>
    public string? FilterSubject { get; init; }

    /// <summary>Where in the stream it begins. Default: at the oldest message.</summary>
    public DeliverPolicy DeliverPolicy { get; init; }

    /// <summary>The first sequence, from 1 on, with <see cref="DeliverPolicy.ByStartSequence"/>.</summary>
    public ulong? StartSequence { get; init; }

    /// <summary>The first moment, with <see cref="DeliverPolicy.ByStartTime"/>.</summary>
    public DateTimeOffset? StartTime { get; init; }

    /// <summary>Delivers headers only, with the size in Nats-Msg-Size.</summary>
    public bool HeadersOnly { get; init; }

    /// <summary>How much it asks for at a time. After twice its heartbeat without a sign it begins again.</summary>
    public ConsumeOptions Consume { get; init; } = new();

    internal void Validate()
    {
        Consume.Validate();
        if (FilterSubject is not null)
            SubjectText.Check(FilterSubject, nameof(FilterSubject));
        var errors = new OptionErrors();
        if (StartSequence is not null != DeliverPolicy is DeliverPolicy.ByStartSequence || StartSequence is 0)
            errors.Add($"{nameof(StartSequence)}, from 1 on, and {nameof(DeliverPolicy)} {DeliverPolicy.ByStartSequence} go together.");
        if (StartTime is not null != DeliverPolicy is DeliverPolicy.ByStartTime)
            errors.Add($"{nameof(StartTime)} and {nameof(DeliverPolicy)} {DeliverPolicy.ByStartTime} go together.");
        errors.ThrowIfAny("options");
    }
}
