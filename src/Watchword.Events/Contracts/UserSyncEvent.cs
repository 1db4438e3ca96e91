using System.Text.Json.Serialization;

namespace Watchword.Events.Contracts;

/// <summary>A user was created, updated or deleted.</summary>
/// <remarks>In the transaction that changes the row, whoever changes it, also when a membership changes the user's organization. Every field is optional, because other publishers write it too; Watchword's own has them all.</remarks>
public sealed record UserSyncEvent : IEvent
{
    /// <summary><c>user.created</c>, <c>user.updated</c> or <c>user.deleted</c>.</summary>
    public string? Event { get; init; }

    /// <summary>When, UTC, by the publisher's clock; orders the events of publishers that give no version.</summary>
    public DateTimeOffset? Timestamp { get; init; }

    /// <summary>The whole state after the change, or before a deletion; not a difference.</summary>
    public UserData? Data { get; init; }

    /// <summary>The event's own id, a UUIDv7; also the <c>Nats-Msg-Id</c>. Absent from foreign publishers.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public string? Id { get; init; }

    /// <summary>The user's version after the change. Rises with every change of the user; counted in microseconds since 1970; a version more than a day ahead is refused. Absent from foreign publishers.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public long? Version { get; init; }

    /// <summary>The schema version of the event; absent: 1.</summary>
    [JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    public int? SchemaVersion { get; init; }

    int IEvent.SchemaVersion => SchemaVersion ?? 1;

    // Whether it can be applied is for its reader to say: UserChange knows what a users table needs.
    string? IEvent.Fault(DateTimeOffset now) =>
        (Timestamp is { } at ? IEvent.Ahead("timestamp", at, now) : null) ?? (Version is { } version ? IEvent.Ahead(version, now) : null);
}

/// <summary>A user, as other services know them. What an event leaves out has the default given here.</summary>
/// <param name="UserId">The user's id in the identity server.</param>
/// <param name="Email">The e-mail address.</param>
/// <param name="Phone">The telephone number, E.164.</param>
/// <param name="Name">The display name.</param>
/// <param name="EmailVerified">Whether the address was proven.</param>
/// <param name="IsAnonymous">Whether the user has not signed up yet.</param>
/// <param name="IsActive">False while the user is banned.</param>
/// <param name="Roles">Platform roles; null: <c>user</c> alone.</param>
/// <param name="OrganizationId">The user's first organization, else <c>org_default</c>.</param>
// Parameters, because generated readers keep the defaults of parameters but lose those of init properties.
public sealed record UserData(
    string? UserId = null, string? Email = null, string? Phone = null, string? Name = null, bool EmailVerified = false,
    bool IsAnonymous = false, bool IsActive = true, string[]? Roles = null, string? OrganizationId = null);
