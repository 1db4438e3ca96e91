namespace Watchword.UserSync;

/// <summary>How user sync works.</summary>
public sealed record UserSyncOptions
{
    /// <summary>The stream that is read.</summary>
    public string Stream { get; init; } = "identity-changes";

    /// <summary>The subject that is read.</summary>
    public string Subject { get; init; } = "user.sync";

    /// <summary>The durable consumer; processes that share the name share the work.</summary>
    public string Durable { get; init; } = "user-sync";

    /// <summary>Events that are applied in one transaction. 1 to 20,000.</summary>
    public int BatchSize { get; init; } = 4_000;

    /// <summary>The server delivers an event again that was not acknowledged for so long.</summary>
    public TimeSpan AckWait { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>After a failure of the database, the first wait; doubles up to <see cref="RetryDelayMax"/>.</summary>
    public TimeSpan RetryDelayMin { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>The longest wait after a failure.</summary>
    public TimeSpan RetryDelayMax { get; init; } = TimeSpan.FromSeconds(10);
}
