using System.Text.Json;
using System.Text.Json.Serialization;

namespace Watchword.Events.Contracts;

/// <summary>What happened to a user, on subject <c>user.sync</c> (spec 0), with the user's state after it.</summary>
public sealed record UserSyncEvent
{
    /// <summary><c>user.created</c>, <c>user.updated</c> or <c>user.deleted</c>.</summary>
    public string? Event { get; init; }

    /// <summary>When, by the publisher's clock; orders the events of publishers that give no version.</summary>
    public DateTimeOffset? Timestamp { get; init; }

    /// <summary>The whole state, not a difference.</summary>
    public UserData? Data { get; init; }

    /// <summary>UUIDv7 of the event; absent from foreign publishers.</summary>
    public string? Id { get; init; }

    /// <summary>Rises with every change of the user; absent from foreign publishers.</summary>
    public long? Version { get; init; }
}

/// <summary>A user, as other services know them.</summary>
public sealed record UserData
{
    /// <summary>The identity server's id.</summary>
    public string? UserId { get; init; }

    /// <summary>The e-mail address.</summary>
    public string? Email { get; init; }

    /// <summary>E.164, or null.</summary>
    public string? Phone { get; init; }

    /// <summary>The display name.</summary>
    public string? Name { get; init; }

    /// <summary>Whether the address was proven.</summary>
    public bool EmailVerified { get; init; }

    /// <summary>Whether the user has not signed up yet.</summary>
    public bool IsAnonymous { get; init; }

    /// <summary>False while the user is banned.</summary>
    public bool IsActive { get; init; } = true;

    /// <summary>Platform roles.</summary>
    public string[]? Roles { get; init; }

    /// <summary>The user's first organization, else <c>org_default</c>.</summary>
    public string? OrganizationId { get; init; }
}

/// <summary>How events are written and read as JSON; generated at build time.</summary>
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(UserSyncEvent))]
public sealed partial class EventJson : JsonSerializerContext;
