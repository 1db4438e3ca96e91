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

/// <summary>A user, as other services know them. What an event leaves out has the default given here.</summary>
/// <param name="UserId">The identity server's id.</param>
/// <param name="Email">The e-mail address.</param>
/// <param name="Phone">E.164, or null.</param>
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

/// <summary>How events are written and read as JSON; generated at build time.</summary>
[JsonSourceGenerationOptions(JsonSerializerDefaults.Web)]
[JsonSerializable(typeof(UserSyncEvent))]
[JsonSerializable(typeof(UserRegistered))]
[JsonSerializable(typeof(JsonElement))]
public sealed partial class EventJson : JsonSerializerContext;
