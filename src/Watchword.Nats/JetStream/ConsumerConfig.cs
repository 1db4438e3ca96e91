using System.Text.Json;
using System.Text.Json.Serialization;

namespace Watchword.Nats;

/// <summary>Where in the stream a new consumer begins.</summary>
public enum DeliverPolicy
{
    /// <summary>At the oldest message.</summary>
    [JsonStringEnumMemberName("all")]
    All,

    /// <summary>At the newest message.</summary>
    [JsonStringEnumMemberName("last")]
    Last,

    /// <summary>After the newest message.</summary>
    [JsonStringEnumMemberName("new")]
    New,

    /// <summary>At <see cref="ConsumerConfig.StartSequence"/>.</summary>
    [JsonStringEnumMemberName("by_start_sequence")]
    ByStartSequence,

    /// <summary>At <see cref="ConsumerConfig.StartTime"/>.</summary>
    [JsonStringEnumMemberName("by_start_time")]
    ByStartTime,

    /// <summary>At the newest message of each subject.</summary>
    [JsonStringEnumMemberName("last_per_subject")]
    LastPerSubject,
}

/// <summary>Which messages must be acked.</summary>
public enum AckPolicy
{
    /// <summary>Each one.</summary>
    [JsonStringEnumMemberName("explicit")]
    Explicit,

    /// <summary>Acking one acks all before it.</summary>
    [JsonStringEnumMemberName("all")]
    All,

    /// <summary>None: delivered is done.</summary>
    [JsonStringEnumMemberName("none")]
    None,
}

/// <summary>How fast old messages are delivered.</summary>
public enum ReplayPolicy
{
    /// <summary>As fast as the reader takes them.</summary>
    [JsonStringEnumMemberName("instant")]
    Instant,

    /// <summary>At the pace at which they were published.</summary>
    [JsonStringEnumMemberName("original")]
    Original,
}

/// <summary>A pull consumer as it is configured (the server's own JSON names, ADR-1).</summary>
public sealed record ConsumerConfig
{
    /// <summary>The name of a durable consumer: it stays until it is deleted.</summary>
    public string? DurableName { get; init; }

    /// <summary>The name of one that is not durable: it goes after <see cref="InactiveThreshold"/>. Default: a random one.</summary>
    public string? Name { get; init; }

    /// <summary>What it is for.</summary>
    public string? Description { get; init; }

    /// <summary>Where it begins. Cannot be changed later.</summary>
    public DeliverPolicy DeliverPolicy { get; init; }

    /// <summary>The first sequence, with <see cref="DeliverPolicy.ByStartSequence"/>.</summary>
    [JsonPropertyName("opt_start_seq")]
    public ulong? StartSequence { get; init; }

    /// <summary>The first moment, with <see cref="DeliverPolicy.ByStartTime"/>.</summary>
    [JsonPropertyName("opt_start_time")]
    public DateTimeOffset? StartTime { get; init; }

    /// <summary>Which messages must be acked. Cannot be changed later.</summary>
    public AckPolicy AckPolicy { get; init; }

    /// <summary>How long the server waits for an ack before it delivers again. Null: the server's 30 s.</summary>
    public TimeSpan? AckWait { get; init; }

    /// <summary>How often a message is delivered at most; -1 for ever.</summary>
    public int MaxDeliver { get; init => field = value == 0 ? -1 : value; } = -1;

    /// <summary>The waits before each further delivery, instead of <see cref="AckWait"/>; needs a larger <see cref="MaxDeliver"/>.</summary>
    public IReadOnlyList<TimeSpan>? Backoff { get; init; }

    /// <summary>Only messages of this subject; it may hold wildcards.</summary>
    public string? FilterSubject { get; init; }

    /// <summary>How fast old messages are delivered.</summary>
    public ReplayPolicy ReplayPolicy { get; init; }

    /// <summary>How many messages may wait for their ack before delivery pauses. Null: the server's 1,000; -1 without bound.</summary>
    public int? MaxAckPending { get; init; }

    /// <summary>How many pulls may wait at once. Null: the server's 512.</summary>
    public int? MaxWaiting { get; init; }

    /// <summary>How long a consumer that nobody reads is kept. Null: a durable one for ever, another one 5 s.</summary>
    public TimeSpan? InactiveThreshold { get; init; }

    /// <summary>Delivers headers only, with the size in Nats-Msg-Size.</summary>
    public bool HeadersOnly { get; init; }

    /// <summary>On how many servers its state is kept; zero for as many as the stream's.</summary>
    [JsonPropertyName("num_replicas")]
    public int Replicas { get; init; }

    /// <summary>Keeps its state in memory, whatever the stream does.</summary>
    [JsonPropertyName("mem_storage")]
    public bool MemoryStorage { get; init; }

    /// <summary>Settings that this client does not know, kept so that reading, changing and updating a consumer loses none.</summary>
    [JsonExtensionData]
    public IDictionary<string, JsonElement>? Other { get; set; }
}
