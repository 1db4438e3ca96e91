using System.Text.Json;
using System.Text.Json.Serialization;

namespace Watchword.Nats;

/// <summary>When a stream lets go of a message.</summary>
public enum StreamRetention
{
    /// <summary>When a limit (age, count, size) is reached.</summary>
    [JsonStringEnumMemberName("limits")]
    Limits,

    /// <summary>When every consumer has acked it.</summary>
    [JsonStringEnumMemberName("interest")]
    Interest,

    /// <summary>When one consumer has acked it.</summary>
    [JsonStringEnumMemberName("workqueue")]
    WorkQueue,
}

/// <summary>Where messages are kept.</summary>
public enum StreamStorage
{
    /// <summary>On disk.</summary>
    [JsonStringEnumMemberName("file")]
    File,

    /// <summary>In memory: gone with the server.</summary>
    [JsonStringEnumMemberName("memory")]
    Memory,
}

/// <summary>What happens when a stream is full.</summary>
public enum StreamDiscard
{
    /// <summary>The oldest messages go.</summary>
    [JsonStringEnumMemberName("old")]
    Old,

    /// <summary>New messages are refused.</summary>
    [JsonStringEnumMemberName("new")]
    New,
}

/// <summary>
/// A stream as it is configured (the server's own JSON names, ADR-1). Limits of -1 mean none; so does zero to
/// the server, and it is read as -1 here.
/// </summary>
public sealed record StreamConfig
{
    /// <summary>The name: no blanks, dots, wildcards or slashes.</summary>
    public required string Name { get; init; }

    /// <summary>What it is for.</summary>
    public string? Description { get; init; }

    /// <summary>The subjects that it stores; they may hold wildcards. Default: its own name.</summary>
    public IReadOnlyList<string>? Subjects { get; init; }

    /// <summary>When messages go. Cannot be changed later.</summary>
    public StreamRetention Retention { get; init; }

    /// <summary>Where messages are kept. Cannot be changed later.</summary>
    public StreamStorage Storage { get; init; }

    /// <summary>How many messages to keep.</summary>
    [JsonPropertyName("max_msgs")]
    public long MaxMessages { get; init => field = NoneIfZero(value); } = -1;

    /// <summary>How many messages of each subject to keep.</summary>
    [JsonPropertyName("max_msgs_per_subject")]
    public long MaxMessagesPerSubject { get; init => field = NoneIfZero(value); } = -1;

    /// <summary>How many bytes to keep.</summary>
    public long MaxBytes { get; init => field = NoneIfZero(value); } = -1;

    /// <summary>How long to keep messages, at least 100 ms; zero for ever.</summary>
    public TimeSpan MaxAge { get; init; }

    /// <summary>The largest message, headers included, in bytes.</summary>
    [JsonPropertyName("max_msg_size")]
    public int MaxMessageSize { get; init => field = NoneIfZero(value); } = -1;

    /// <summary>How many consumers it may have.</summary>
    public int MaxConsumers { get; init => field = NoneIfZero(value); } = -1;

    /// <summary>What happens when it is full.</summary>
    public StreamDiscard Discard { get; init; }

    /// <summary>On how many servers of the cluster it is kept: 1, 3 or 5.</summary>
    [JsonPropertyName("num_replicas")]
    public int Replicas { get; init => field = Math.Max(value, 1); } = 1;

    /// <summary>How long a Nats-Msg-Id is remembered. Null: the server's two minutes, or <see cref="MaxAge"/> if that is shorter.</summary>
    public TimeSpan? DuplicateWindow { get; init; }

    /// <summary>Refuses the deletion of single messages.</summary>
    public bool DenyDelete { get; init; }

    /// <summary>Refuses purging.</summary>
    public bool DenyPurge { get; init; }

    /// <summary>Lets messages be read directly from any replica (nats-server 2.9).</summary>
    public bool AllowDirect { get; init; }

    /// <summary>Lets a publisher roll up what went before (Nats-Rollup).</summary>
    [JsonPropertyName("allow_rollup_hdrs")]
    public bool AllowRollup { get; init; }

    /// <summary>Settings that this client does not know, kept so that reading, changing and updating a stream loses none.</summary>
    [JsonExtensionData]
    public IDictionary<string, JsonElement>? Other { get; set; }

    private static int NoneIfZero(int limit) => limit == 0 ? -1 : limit;

    private static long NoneIfZero(long limit) => limit == 0 ? -1 : limit;
}
