namespace Watchword.Events.Replay;

/// <summary>Selects events of one stream; every condition that is given must hold.</summary>
/// <param name="Stream">The stream's name.</param>
public sealed record ReplayFilter(string Stream)
{
    private static readonly TimeSpan ClockSkew = TimeSpan.FromMinutes(5);

    /// <summary>The first sequence, at least 1. Null: the oldest event that the stream or the outbox has.</summary>
    public ulong? FromSequence { get; init; }

    /// <summary>The last sequence. Null: the stream's last when the replay begins.</summary>
    public ulong? ToSequence { get; init; }

    /// <summary>Only events that happened then or later, by the event's own time.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>Only events that happened then or earlier, by the event's own time.</summary>
    public DateTimeOffset? Until { get; init; }

    /// <summary>Only events with this key: the id of a user or an organization.</summary>
    public string? User { get; init; }

    /// <summary>Only events with this subject, which may contain wildcards.</summary>
    public string? Type { get; init; }

    /// <summary>
    /// The time from which on the stream stored what happened since <see cref="Since"/>: events are stored after they
    /// happen, but the clocks of database and broker may differ.
    /// </summary>
    public DateTimeOffset? StoredSince => Since > DateTimeOffset.UnixEpoch + ClockSkew ? Since - ClockSkew : Since is null ? null : DateTimeOffset.UnixEpoch;

    /// <summary>Whether an event fulfils every condition but that on its sequence.</summary>
    public bool Matches(in ReplayEvent e) =>
        (Type is null || SubjectPattern.Covers(Type, e.Subject))
        && (Since is null || e.Time >= Since) && (Until is null || e.Time <= Until)
        && (User is null || e.Key == User);

    /// <summary>For messages: "event of user u1 and type user.sync since …".</summary>
    internal string Describe()
    {
        var words = new List<string>();
        if (User is not null)
            words.Add($"user {User}");
        if (Type is not null)
            words.Add($"type {Type}");
        return "event" + (words.Count > 0 ? " of " + string.Join(" and ", words) : "")
            + (Since is null ? "" : $" since {Since.Value.UtcDateTime:yyyy-MM-ddTHH:mm:ss.fffZ}") + (Until is null ? "" : $" until {Until.Value.UtcDateTime:yyyy-MM-ddTHH:mm:ss.fffZ}");
    }
}
