using System.Text.Json.Serialization;

namespace Watchword.Nats;

/// <summary>What an account uses of JetStream, and what it may use.</summary>
public sealed record JetStreamAccountInfo
{
    /// <summary>Bytes in memory.</summary>
    public long Memory { get; init; }

    /// <summary>Bytes on disk.</summary>
    public long Storage { get; init; }

    /// <summary>How many streams.</summary>
    public int Streams { get; init; }

    /// <summary>How many consumers.</summary>
    public int Consumers { get; init; }

    /// <summary>The domain that this JetStream belongs to; null without one.</summary>
    public string? Domain { get; init; }

    /// <summary>What it may use.</summary>
    public JetStreamAccountLimits Limits { get; init; } = new();

    /// <summary>How it has used the API.</summary>
    public JetStreamApiUse Api { get; init; } = new();
}

/// <summary>What an account may use of JetStream; -1 means no limit.</summary>
public sealed record JetStreamAccountLimits
{
    /// <summary>Bytes in memory.</summary>
    public long MaxMemory { get; init; }

    /// <summary>Bytes on disk.</summary>
    public long MaxStorage { get; init; }

    /// <summary>How many streams.</summary>
    public int MaxStreams { get; init; }

    /// <summary>How many consumers a stream may have.</summary>
    public int MaxConsumers { get; init; }

    /// <summary>How many unacked messages a consumer may have.</summary>
    public int MaxAckPending { get; init; }

    /// <summary>Bytes of one stream in memory.</summary>
    [JsonPropertyName("memory_max_stream_bytes")]
    public long MaxMemoryStreamBytes { get; init; }

    /// <summary>Bytes of one stream on disk.</summary>
    [JsonPropertyName("storage_max_stream_bytes")]
    public long MaxStorageStreamBytes { get; init; }

    /// <summary>Whether each stream must have a limit in bytes.</summary>
    public bool MaxBytesRequired { get; init; }
}

/// <summary>How an account has used the API of JetStream.</summary>
public sealed record JetStreamApiUse
{
    /// <summary>How many requests it made.</summary>
    public ulong Total { get; init; }

    /// <summary>How many of them were refused.</summary>
    public ulong Errors { get; init; }
}
