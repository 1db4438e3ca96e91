using System.Text.Json.Serialization;

namespace Watchword.Nats;

/// <summary>A consumer as it stands.</summary>
public sealed record ConsumerInfo
{
    /// <summary>Its stream.</summary>
    [JsonPropertyName("stream_name")]
    public string Stream { get; init; } = "";

    /// <summary>Its name.</summary>
    public string Name { get; init; } = "";

    /// <summary>When it was created.</summary>
    public DateTimeOffset Created { get; init; }

    /// <summary>How it is configured.</summary>
    public ConsumerConfig Config { get; init; } = new();

    /// <summary>The last message delivered.</summary>
    public SequencePair Delivered { get; init; } = new();

    /// <summary>The last message up to which all are acked.</summary>
    public SequencePair AckFloor { get; init; } = new();

    /// <summary>How many messages are delivered and not yet acked.</summary>
    [JsonPropertyName("num_ack_pending")]
    public long AckPending { get; init; }

    /// <summary>How many of those were delivered more than once.</summary>
    [JsonPropertyName("num_redelivered")]
    public long Redelivered { get; init; }

    /// <summary>How many pulls wait for messages.</summary>
    [JsonPropertyName("num_waiting")]
    public long Waiting { get; init; }

    /// <summary>How many messages were never delivered yet: how far behind it is.</summary>
    [JsonPropertyName("num_pending")]
    public ulong Pending { get; init; }

    /// <summary>Who keeps it; null on a server without a cluster.</summary>
    public ClusterInfo? Cluster { get; init; }
}

/// <summary>A message's place among a consumer's deliveries and in its stream.</summary>
public sealed record SequencePair
{
    /// <summary>The consumer's own count of deliveries.</summary>
    [JsonPropertyName("consumer_seq")]
    public ulong Consumer { get; init; }

    /// <summary>The place in the stream.</summary>
    [JsonPropertyName("stream_seq")]
    public ulong Stream { get; init; }

    /// <summary>When it last moved; null before it did.</summary>
    [JsonPropertyName("last_active")]
    public DateTimeOffset? LastActive { get; init; }
}
