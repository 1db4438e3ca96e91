using System.Text.Json.Serialization;

namespace Watchword.Events.Contracts;

/// <summary>An account at another provider was linked to a user.</summary>
/// <remarks>In the transaction that creates the row: a social sign-up, or a provider added later.</remarks>
public sealed record AccountLinked(string Event, DateTimeOffset Timestamp, AccountData Data, string Id, long Version, int SchemaVersion = 1)
    : ChangeEvent<AccountData>(Event, Timestamp, Data, Id, Version, SchemaVersion);

/// <summary>An account at another provider no longer belongs to a user.</summary>
/// <remarks>In the transaction that deletes the row, also where the user's deletion takes it along.</remarks>
public sealed record AccountUnlinked(string Event, DateTimeOffset Timestamp, AccountData Data, string Id, long Version, int SchemaVersion = 1)
    : ChangeEvent<AccountData>(Event, Timestamp, Data, Id, Version, SchemaVersion);

/// <summary>A password, passkey or second factor was added, changed or removed.</summary>
/// <remarks>In the transaction that changes the row. It says which, and never holds the credential or its hash.</remarks>
public sealed record CredentialChanged(string Event, DateTimeOffset Timestamp, CredentialData Data, string Id, long Version, int SchemaVersion = 1)
    : ChangeEvent<CredentialData>(Event, Timestamp, Data, Id, Version, SchemaVersion);

/// <summary>A session was ended before it expired.</summary>
/// <remarks>In the transaction that deletes the row: a logout, a ban, an administrator, a stolen refresh token, or the user's deletion. <c>Watchword-Actor</c> says who.</remarks>
public sealed record SessionRevoked(string Event, DateTimeOffset Timestamp, SessionData Data, string Id, long Version, int SchemaVersion = 1)
    : ChangeEvent<SessionData>(Event, Timestamp, Data, Id, Version, SchemaVersion);

/// <summary>An API key was created.</summary>
/// <remarks>In the transaction that creates the row. It never holds the key, its hash, or its first characters.</remarks>
public sealed record ApiKeyCreated(string Event, DateTimeOffset Timestamp, ApiKeyData Data, string Id, long Version, int SchemaVersion = 1)
    : ChangeEvent<ApiKeyData>(Event, Timestamp, Data, Id, Version, SchemaVersion);

/// <summary>An API key's name, state, expiry or permissions changed.</summary>
/// <remarks>In the transaction that changes the row. The counts of its use cause no event.</remarks>
public sealed record ApiKeyUpdated(string Event, DateTimeOffset Timestamp, ApiKeyData Data, string Id, long Version, int SchemaVersion = 1)
    : ChangeEvent<ApiKeyData>(Event, Timestamp, Data, Id, Version, SchemaVersion);

/// <summary>An API key was deleted.</summary>
/// <remarks>In the transaction that deletes the row.</remarks>
public sealed record ApiKeyDeleted(string Event, DateTimeOffset Timestamp, ApiKeyData Data, string Id, long Version, int SchemaVersion = 1)
    : ChangeEvent<ApiKeyData>(Event, Timestamp, Data, Id, Version, SchemaVersion);

/// <summary>A user's account at another provider.</summary>
/// <param name="AccountId">The id of the account's row.</param>
/// <param name="UserId">The user's id in the identity server.</param>
/// <param name="Provider">The provider's id, for example <c>github</c>.</param>
/// <param name="ProviderAccountId">The user's id at the provider.</param>
public sealed record AccountData(string AccountId, string UserId, string Provider, string ProviderAccountId) : IKeyed
{
    (string, string) IKeyed.Key => ("data.userId", UserId);
}

/// <summary>Which credential changed, and how.</summary>
/// <param name="UserId">The user's id in the identity server.</param>
/// <param name="Credential"><c>password</c>, <c>passkey</c> or <c>twoFactor</c>; others may come.</param>
/// <param name="Action"><c>added</c>, <c>changed</c> or <c>removed</c>.</param>
public sealed record CredentialData(string UserId, string Credential, string Action) : IKeyed
{
    (string, string) IKeyed.Key => ("data.userId", UserId);
}

/// <summary>A session.</summary>
/// <param name="SessionId">The session's id; not its token.</param>
/// <param name="UserId">The user's id in the identity server.</param>
/// <param name="Ip">The address that it began from.</param>
/// <param name="UserAgent">The User-Agent that it began with.</param>
public sealed record SessionData(
    string SessionId, string UserId,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Ip = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? UserAgent = null) : IKeyed
{
    (string, string) IKeyed.Key => ("data.userId", UserId);
}

/// <summary>An API key.</summary>
/// <param name="ApiKeyId">The key's id.</param>
/// <param name="OwnerId">The id of the user or the organization that it belongs to.</param>
/// <param name="Enabled">Whether it is accepted.</param>
/// <param name="Name">Its display name.</param>
/// <param name="Permissions">What it may do, as Better Auth stores it: JSON in a text, resource to actions.</param>
public sealed record ApiKeyData(string ApiKeyId, string OwnerId, bool Enabled, string? Name = null, string? Permissions = null) : IKeyed
{
    /// <summary>When it ends, UTC; null: never.</summary>
    public DateTimeOffset? ExpiresAt { get; init; }

    (string, string) IKeyed.Key => ("data.ownerId", OwnerId);
}
