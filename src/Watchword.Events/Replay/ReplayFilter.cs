namespace Watchword.Events.Replay;

/// <summary>Which events of a stream: all that fulfil everything that is given.</summary>
/// <param name="Stream">The stream's name.</param>
public sealed record ReplayFilter(string Stream)
{
    private static readonly TimeSpan ClockSkew = TimeSpan.FromMinutes(5);

    /// <summary>The first sequence, from 1 on. Null: the oldest that is kept anywhere.</summary>
    public ulong? FromSequence { get; init; }

    /// <summary>The last sequence. Null: the stream's last when the replay begins.</summary>
    public ulong? ToSequence { get; init; }

    /// <summary>Only what happened then or later, by the event's own time.</summary>
    public DateTimeOffset? Since { get; init; }

    /// <summary>Only what happened then or earlier, by the event's own time.</summary>
    public DateTimeOffset? Until { get; init; }

    /// <summary>Only events of this key: the id of a user, or of an organization.</summary>
    public string? User { get; init; }

    /// <summary>Only events of this subject, or of a finer one below it; it may hold wildcards.</summary>
    public string? Type { get; init; }

    /// <summary>
    /// From when on the stream has stored what happened since <see cref="Since"/>: published is after happened, and the
    /// clocks of database and broker may differ.
    /// </summary>
    public DateTimeOffset? StoredSince => Since > DateTimeOffset.UnixEpoch + ClockSkew ? Since - ClockSkew : Since is null ? null : DateTimeOffset.UnixEpoch;

    /// <summary>Whether an event is meant, apart from its sequence.</summary>
    public bool Matches(in ReplayEvent e) =>
        (Type is null || SubjectPattern.CoversKind(Type, e.Subject))
        && (Since is null || e.Time >= Since) && (Until is null || e.Time <= Until)
        && (User is null || e.Key == User);

    /// <summary>For messages to people: "events of user u1 and type user.sync since …".</summary>
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
