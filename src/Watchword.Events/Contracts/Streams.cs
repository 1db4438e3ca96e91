using NATS.Client.JetStream.Models;

namespace Watchword.Events.Contracts;

/// <summary>The streams that Watchword publishes to, with the limits that its sources name.</summary>
public static class Streams
{
    /// <summary>Who registered, logged in, logged out, refreshed (spec 1).</summary>
    public static StreamConfig AuthEvents { get; } = new()
    {
        Name = "auth-events",
        Subjects = ["auth.user.*"],
        Description = "Authentication events",
        Storage = StreamConfigStorage.File,
        Retention = StreamConfigRetention.Limits,
        Discard = StreamConfigDiscard.Old,
        MaxMsgs = 100_000,
        MaxBytes = 100 * 1024 * 1024,
        MaxAge = TimeSpan.FromDays(7),
        DuplicateWindow = TimeSpan.FromMinutes(2),
    };

    /// <summary>Every change of users, organizations and what belongs to them. Kept as long as the outbox keeps its rows.</summary>
    public static StreamConfig IdentityChanges { get; } = new()
    {
        Name = "identity-changes",
        Subjects = ["user.sync", "user.erased", "organization.*", "organizationMembership.*", "member.role.changed", "invitation.*",
            "organizationRole.*", "team.*", "teamMembership.*", "account.*", "credential.changed", "session.revoked", "apiKey.*"],
        Description = "Changes of users, organizations and what belongs to them",
        Storage = StreamConfigStorage.File,
        Retention = StreamConfigRetention.Limits,
        Discard = StreamConfigDiscard.Old,
        MaxAge = TimeSpan.FromDays(7),
        DuplicateWindow = TimeSpan.FromMinutes(2),
    };

    /// <summary>Copies of dead letters: events that a consumer could not handle.</summary>
    public static StreamConfig DeadLetters { get; } = new()
    {
        Name = "dead-letters",
        Subjects = ["dlq.*"],
        Description = "Events that a consumer could not handle",
        Storage = StreamConfigStorage.File,
        Retention = StreamConfigRetention.Limits,
        Discard = StreamConfigDiscard.Old,
        MaxAge = TimeSpan.FromDays(30),
        DuplicateWindow = TimeSpan.FromMinutes(2),
    };

    /// <summary>Alerts of a service that watches the logins. That service makes the stream, not the identity server.</summary>
    public static StreamConfig SecurityAlerts { get; } = new()
    {
        Name = "security-alerts",
        Subjects = ["security.alert"],
        Description = "Logins that deserve a look",
        Storage = StreamConfigStorage.File,
        Retention = StreamConfigRetention.Limits,
        Discard = StreamConfigDiscard.Old,
        MaxAge = TimeSpan.FromDays(30),
        DuplicateWindow = TimeSpan.FromMinutes(2),
    };

    /// <summary>The three that the identity server makes.</summary>
    public static IReadOnlyList<StreamConfig> All { get; } = [AuthEvents, IdentityChanges, DeadLetters];

    /// <summary>Whether a subject is one of <see cref="AuthEvents"/>.</summary>
    public static bool IsAuthEvent(string subject) => subject.StartsWith("auth.user.", StringComparison.Ordinal);
}
