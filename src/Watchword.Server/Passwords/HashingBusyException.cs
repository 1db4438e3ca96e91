namespace Watchword.Server.Passwords;

/// <summary>More passwords wait to be hashed than are let wait: answer 503 with <c>Retry-After</c>.</summary>
/// <param name="retryAfter">When the queue will have room again, by its present speed; at least a second.</param>
internal sealed class HashingBusyException(TimeSpan retryAfter)
    : Exception("Too many passwords are waiting to be hashed.")
{
    /// <summary>When to try again, in whole seconds.</summary>
    public TimeSpan RetryAfter { get; } = retryAfter;
}
