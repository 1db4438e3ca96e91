namespace Watchword.Server.Passwords;

/// <summary>The queue of passwords to hash is full: answer 503 with <c>Retry-After</c>.</summary>
/// <param name="retryAfter">Estimated time until the queue has room, in whole seconds; at least one.</param>
internal sealed class HashingBusyException(TimeSpan retryAfter)
    : Exception("Too many passwords are waiting to be hashed.")
{
    /// <summary>How long to wait before a retry, in whole seconds.</summary>
    public TimeSpan RetryAfter { get; } = retryAfter;
}
