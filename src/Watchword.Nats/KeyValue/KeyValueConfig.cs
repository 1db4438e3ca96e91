namespace Watchword.Nats;

/// <summary>A key-value bucket as it is configured (ADR-8). It is a stream of its own, named <c>KV_</c> and the bucket.</summary>
public sealed record KeyValueConfig
{
    /// <summary>The name: letters, digits, dashes and underscores.</summary>
    public required string Bucket { get; init; }

    /// <summary>What it is for.</summary>
    public string? Description { get; init; }

    /// <summary>How many values of each key to keep, the newest among them; 1 to 64. Default 1.</summary>
    public int History { get; init; } = 1;

    /// <summary>How long to keep a value, at least 100 ms; zero for ever.</summary>
    public TimeSpan TimeToLive { get; init; }

    /// <summary>The largest value, headers included, in bytes; -1 without bound.</summary>
    public int MaxValueSize { get; init; } = -1;

    /// <summary>How many bytes the bucket may take; -1 without bound. When it is full, puts are refused.</summary>
    public long MaxBytes { get; init; } = -1;

    /// <summary>Where values are kept. Cannot be changed later.</summary>
    public StreamStorage Storage { get; init; }

    /// <summary>On how many servers of the cluster it is kept: 1, 3 or 5.</summary>
    public int Replicas { get; init; } = 1;

    internal static string StreamName(string bucket) => "KV_" + KeyValueKey.CheckedBucket(bucket);

    internal static KeyValueConfig Of(StreamConfig stream) => new()
    {
        Bucket = stream.Name["KV_".Length..],
        Description = stream.Description,
        History = (int)Math.Max(stream.MaxMessagesPerSubject, 1),
        TimeToLive = stream.MaxAge,
        MaxValueSize = stream.MaxMessageSize,
        MaxBytes = stream.MaxBytes,
        Storage = stream.Storage,
        Replicas = stream.Replicas,
    };

    internal StreamConfig ToStream()
    {
        var errors = new OptionErrors();
        errors.Between(History, 1, 64, nameof(History));
        if (TimeToLive != TimeSpan.Zero)
            errors.Between(TimeToLive, TimeSpan.FromMilliseconds(100), TimeSpan.MaxValue, nameof(TimeToLive));
        errors.ThrowIfAny("config");
        return new StreamConfig
        {
            Name = StreamName(Bucket),
            Description = Description,
            Subjects = [$"$KV.{Bucket}.>"],
            MaxMessagesPerSubject = History,
            MaxAge = TimeToLive,
            MaxMessageSize = MaxValueSize,
            MaxBytes = MaxBytes,
            Storage = Storage,
            Replicas = Replicas,
            Discard = StreamDiscard.New,
            AllowRollup = true,
            DenyDelete = true,
            AllowDirect = true,
        };
    }
}

/// <summary>A bucket as it stands.</summary>
/// <param name="Config">How it is configured.</param>
/// <param name="Values">How many values it holds: old ones and marks of deletion count too.</param>
/// <param name="Bytes">Their size in the store.</param>
public sealed record KeyValueStatus(KeyValueConfig Config, ulong Values, ulong Bytes);
