namespace Watchword.Nats;

/// <summary>How much a <see cref="PullConsumer"/> asks for at a time.</summary>
public sealed record ConsumeOptions
{
    /// <summary>How many messages may be under way or waiting for the reader; more are asked for at half of it. Default 1,000.</summary>
    public int MaxMessages { get; init; } = 1000;

    /// <summary>The same in bytes (subjects, headers and payloads); null without bound. No single message may be larger.</summary>
    public int? MaxBytes { get; init; }

    /// <summary>How long the server keeps one pull open; at least 1 s. Default 30 s.</summary>
    public TimeSpan Expires { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How often a silent server shows that it lives: at most half of <see cref="Expires"/> and 30 s. After twice that without a sign the consumer pulls again; in a cluster that is how long a killed leader of the consumer goes unnoticed. Default 5 s.</summary>
    public TimeSpan Heartbeat { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>The wait after a first refusal; it doubles, with jitter.</summary>
    internal TimeSpan RetryDelay { get; init; } = TimeSpan.FromMilliseconds(100);

    internal void Validate()
    {
        var errors = new OptionErrors();
        errors.Between(MaxMessages, 1, int.MaxValue, nameof(MaxMessages));
        errors.Between(MaxBytes ?? int.MaxValue, 1024, int.MaxValue, nameof(MaxBytes));
        errors.Between(Expires, TimeSpan.FromSeconds(1), TimeSpan.FromDays(1), nameof(Expires));
        var longest = Expires / 2 < TimeSpan.FromSeconds(30) ? Expires / 2 : TimeSpan.FromSeconds(30);
        errors.Between(Heartbeat, TimeSpan.FromMilliseconds(100), longest, nameof(Heartbeat));
        errors.ThrowIfAny("options");
    }
}
