namespace Watchword.Nats;

/// <summary>
/// A key is not at the revision that a write was for: someone else was first. Never transient: read the key again and
/// decide anew.
/// </summary>
public sealed class NatsKeyRevisionException(string bucket, string key, ulong expected, Exception? innerException = null)
    : NatsException(
        expected == 0
            ? $"Key '{key}' exists already in bucket {bucket}."
            : $"Key '{key}' of bucket {bucket} is not at revision {expected} any more.",
        isTransient: false,
        innerException)
{
    /// <summary>The bucket.</summary>
    public string Bucket { get; } = bucket;

    /// <summary>The key.</summary>
    public string Key { get; } = key;

    /// <summary>The revision that was expected; zero for a key that should not exist.</summary>
    public ulong Expected { get; } = expected;
}
