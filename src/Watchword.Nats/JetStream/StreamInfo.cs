using System.Text.Json.Serialization;

namespace Watchword.Nats;

/// <summary>A stream as it stands.</summary>
public sealed record StreamInfo
{
    /// <summary>How it is configured.</summary>
    public required StreamConfig Config { get; init; }

    /// <summary>When it was created.</summary>
    public DateTimeOffset Created { get; init; }

    /// <summary>What it holds.</summary>
    public StreamState State { get; init; } = new();

    /// <summary>Who keeps it; null on a server without a cluster.</summary>
    public ClusterInfo? Cluster { get; init; }
}

/// <summary>What a stream holds.</summary>
public sealed record StreamState
{
    /// <summary>How many messages.</summary>
    public ulong Messages { get; init; }

    /// <summary>Their size in the store, in bytes.</summary>
    public ulong Bytes { get; init; }

    /// <summary>The oldest sequence; one more than the last when the stream is empty.</summary>
    [JsonPropertyName("first_seq")]
    public ulong FirstSequence { get; init; }

    /// <summary>The time of the oldest message; the year 1 when the stream is empty.</summary>
    [JsonPropertyName("first_ts")]
    public DateTimeOffset FirstTimestamp { get; init; }

    /// <summary>The newest sequence ever given.</summary>
    [JsonPropertyName("last_seq")]
    public ulong LastSequence { get; init; }

    /// <summary>The time of the newest message; the year 1 before there was one.</summary>
    [JsonPropertyName("last_ts")]
    public DateTimeOffset LastTimestamp { get; init; }

    /// <summary>How many consumers it has.</summary>
    public int ConsumerCount { get; init; }

    /// <summary>Of how many subjects it holds messages; see <see cref="JetStream.GetSubjectCountsAsync"/> for which.</summary>
    [JsonPropertyName("num_subjects")]
    public long SubjectCount { get; init; }

    /// <summary>How many messages between the first and the last are gone.</summary>
    [JsonPropertyName("num_deleted")]
    public long DeletedCount { get; init; }
}

/// <summary>The servers that keep a stream or consumer.</summary>
public sealed record ClusterInfo
{
    /// <summary>The cluster's name.</summary>
    public string? Name { get; init; }

    /// <summary>The name of the server that leads; null while one is being elected.</summary>
    public string? Leader { get; init; }

    /// <summary>The others; null when there are none.</summary>
    public IReadOnlyList<PeerInfo>? Replicas { get; init; }
}

/// <summary>A server that follows the leader of a stream or consumer.</summary>
public sealed record PeerInfo
{
    /// <summary>Its name.</summary>
    public string Name { get; init; } = "";

    /// <summary>Whether it has all that the leader has.</summary>
    public bool Current { get; init; }

    /// <summary>Whether it cannot be reached.</summary>
    public bool Offline { get; init; }

    /// <summary>How long ago it was last heard of.</summary>
    public TimeSpan Active { get; init; }

    /// <summary>How many operations it is behind.</summary>
    public ulong Lag { get; init; }
}

/// <summary>One message as a stream stores it.</summary>
public sealed record StoredMessage
{
    /// <summary>The subject to which it was published.</summary>
    public required string Subject { get; init; }

    /// <summary>Its place in the stream.</summary>
    public required ulong Sequence { get; init; }

    /// <summary>When the server stored it.</summary>
    public required DateTimeOffset Timestamp { get; init; }

    /// <summary>Its headers; null when it has none.</summary>
    public NatsHeaders? Headers { get; init; }

    /// <summary>Its content.</summary>
    public ReadOnlyMemory<byte> Payload { get; init; }
}
