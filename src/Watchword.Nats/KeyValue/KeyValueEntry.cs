namespace Watchword.Nats;

/// <summary>What was done to a key.</summary>
public enum KeyValueOperation
{
    /// <summary>It was given a value.</summary>
    Put,

    /// <summary>It was deleted; older values stay in its history.</summary>
    Delete,

    /// <summary>It was deleted with its history.</summary>
    Purge,
}

/// <summary>One revision of a key.</summary>
public sealed record KeyValueEntry
{
    /// <summary>The bucket.</summary>
    public required string Bucket { get; init; }

    /// <summary>The key.</summary>
    public required string Key { get; init; }

    /// <summary>The value; empty for a deletion.</summary>
    public ReadOnlyMemory<byte> Value { get; init; }

    /// <summary>Its number, which rises over the whole bucket.</summary>
    public required ulong Revision { get; init; }

    /// <summary>When the server stored it.</summary>
    public required DateTimeOffset Created { get; init; }

    /// <summary>What was done.</summary>
    public KeyValueOperation Operation { get; init; }

    /// <summary>How many more came behind it when it was delivered to a watch; zero elsewhere.</summary>
    public ulong Delta { get; init; }

    internal static KeyValueOperation OperationOf(NatsHeaders? headers) => headers?[KeyValueBucket.OperationHeader] switch
    {
        null when headers?["Nats-Marker-Reason"] is not null => KeyValueOperation.Purge, // nats-server 2.11 did it itself
        null or "PUT" => KeyValueOperation.Put,
        "PURGE" => KeyValueOperation.Purge,
        _ => KeyValueOperation.Delete, // whatever it is, the value is gone (ADR-8)
    };
}
