namespace Watchword.Events.JetStream;

/// <summary>Where and how to read a stream.</summary>
public sealed record ReadFrom
{
    /// <summary>The first sequence to read.</summary>
    public ulong Sequence { get; init; } = 1;

    /// <summary>In place of a sequence: the first that was stored at this time or later.</summary>
    public DateTimeOffset? StoredSince { get; init; }

    /// <summary>In place of a sequence: only what is stored from now on.</summary>
    public bool OnlyNew { get; init; }

    /// <summary>The subject to read; null: all.</summary>
    public string? Subject { get; init; }

    /// <summary>Without contents.</summary>
    public bool HeadersOnly { get; init; }

    /// <summary>How many messages to ask for at once.</summary>
    public int Batch { get; init; } = 5_000;
}
