using System.Text.Json;
using System.Text.Json.Serialization;

namespace Watchword.Events.Contracts;

/// <summary>What somebody did to sign up, in or out (specs 1 and 3).</summary>
/// <param name="Subject">The event's name: the subject that it is published to.</param>
/// <param name="Data">Who did it, when, and from where.</param>
/// <param name="Metadata">Who published it, and its schema version.</param>
public abstract record AuthEvent<TData>(string Subject, TData Data, EventMetadata Metadata) : IEvent
    where TData : notnull
{
    private protected abstract (string Who, DateTimeOffset At) Key { get; }

    int IEvent.SchemaVersion => Metadata.SchemaVersion;

    string? IEvent.Fault(DateTimeOffset now) =>
        Key.Who.Length == 0 ? $"data.{(this is UserLoginFailed ? "email" : "userId")} is empty" : IEvent.Ahead("data.timestamp", Key.At, now);
}

/// <summary>A user registered.</summary>
/// <remarks>Once for each user, in the transaction that creates the row, whoever makes it. A registration is not also a login.</remarks>
public sealed record UserRegistered(string Subject, UserRegisteredData Data, EventMetadata Metadata)
    : AuthEvent<UserRegisteredData>(Subject, Data, Metadata)
{
    private protected override (string, DateTimeOffset) Key => (Data.UserId, Data.Timestamp);
}

/// <summary>A user logged in.</summary>
/// <remarks>At each login, in the transaction that begins the session.</remarks>
public sealed record UserLoggedIn(string Subject, UserLoggedInData Data, EventMetadata Metadata)
    : AuthEvent<UserLoggedInData>(Subject, Data, Metadata)
{
    private protected override (string, DateTimeOffset) Key => (Data.UserId, Data.Timestamp);
}

/// <summary>A user logged out.</summary>
/// <remarks>When a user ends a session, in the transaction that ends it; not when a session expires.</remarks>
public sealed record UserLoggedOut(string Subject, UserLoggedOutData Data, EventMetadata Metadata)
    : AuthEvent<UserLoggedOutData>(Subject, Data, Metadata)
{
    private protected override (string, DateTimeOffset) Key => (Data.UserId, Data.Timestamp);
}

/// <summary>A user's tokens were renewed.</summary>
/// <remarks>Each time that a refresh token is exchanged for new tokens. A client that presents a spent token again, because the answer was lost or another tab was first, causes no second event.</remarks>
public sealed record UserTokenRefreshed(string Subject, UserTokenRefreshedData Data, EventMetadata Metadata)
    : AuthEvent<UserTokenRefreshedData>(Subject, Data, Metadata)
{
    private protected override (string, DateTimeOffset) Key => (Data.UserId, Data.Timestamp);
}

/// <summary>Somebody failed to log in.</summary>
/// <remarks>At each failed attempt at first; when one address fails often, at every tenth.</remarks>
public sealed record UserLoginFailed(string Subject, UserLoginFailedData Data, EventMetadata Metadata)
    : AuthEvent<UserLoginFailedData>(Subject, Data, Metadata)
{
    private protected override (string, DateTimeOffset) Key => (Data.Email, Data.Timestamp);
}

/// <summary>A user's logins are refused for a time, because too many failed.</summary>
/// <remarks>In the transaction that counts the last of these failures.</remarks>
public sealed record UserLockedOut(string Subject, UserLockedOutData Data, EventMetadata Metadata)
    : AuthEvent<UserLockedOutData>(Subject, Data, Metadata)
{
    private protected override (string, DateTimeOffset) Key => (Data.UserId, Data.Timestamp);
}

/// <summary>Who registered, and when.</summary>
/// <param name="UserId">The user's id in the identity server.</param>
/// <param name="Email">The e-mail address, lower case.</param>
/// <param name="Name">The display name.</param>
/// <param name="Timestamp">When it happened, UTC, by the database's clock; to the millisecond.</param>
/// <param name="Context">What the publisher's enrichment added.</param>
public sealed record UserRegisteredData(
    string UserId, string Email, string Name, DateTimeOffset Timestamp,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] Enrichment? Context = null);

/// <summary>Who logged in, when, and from where.</summary>
/// <param name="UserId">The user's id in the identity server.</param>
/// <param name="Email">The e-mail address, lower case.</param>
/// <param name="Timestamp">When it happened, UTC, by the database's clock; to the millisecond.</param>
/// <param name="Ip">The client's address, IPv4 or IPv6, as the server or its trusted proxy saw it.</param>
/// <param name="UserAgent">The client's User-Agent, cut to 512 characters.</param>
/// <param name="Context">What the publisher's enrichment added.</param>
public sealed record UserLoggedInData(
    string UserId, string Email, DateTimeOffset Timestamp,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Ip = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? UserAgent = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] Enrichment? Context = null);

/// <summary>Who logged out, and when.</summary>
/// <param name="UserId">The user's id in the identity server.</param>
/// <param name="Timestamp">When it happened, UTC, by the database's clock; to the millisecond.</param>
/// <param name="Context">What the publisher's enrichment added.</param>
public sealed record UserLoggedOutData(
    string UserId, DateTimeOffset Timestamp,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] Enrichment? Context = null);

/// <summary>Whose tokens were renewed, and when.</summary>
/// <param name="UserId">The user's id in the identity server.</param>
/// <param name="Timestamp">When it happened, UTC, by the database's clock; to the millisecond.</param>
/// <param name="Context">What the publisher's enrichment added.</param>
public sealed record UserTokenRefreshedData(
    string UserId, DateTimeOffset Timestamp,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] Enrichment? Context = null);

/// <summary>Which login failed, when, and why.</summary>
/// <param name="Email">The e-mail address that was tried, lower case.</param>
/// <param name="Reason"><c>unknown_address</c>, <c>wrong_password</c>, <c>no_password</c>, <c>banned</c> or <c>locked</c>; others may come.</param>
/// <param name="Timestamp">When it happened, UTC, by the database's clock; to the millisecond.</param>
/// <param name="UserId">The id of the user with this address; absent when there is none.</param>
/// <param name="Ip">The client's address, IPv4 or IPv6, as the server or its trusted proxy saw it.</param>
/// <param name="UserAgent">The client's User-Agent, cut to 512 characters.</param>
/// <param name="Context">What the publisher's enrichment added.</param>
public sealed record UserLoginFailedData(
    string Email, string Reason, DateTimeOffset Timestamp,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? UserId = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Ip = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? UserAgent = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] Enrichment? Context = null);

/// <summary>Who is locked out, from where, and until when.</summary>
/// <param name="UserId">The user's id in the identity server.</param>
/// <param name="Email">The e-mail address, lower case.</param>
/// <param name="Timestamp">When it happened, UTC, by the database's clock; to the millisecond.</param>
/// <param name="Until">When logins are accepted again, UTC; to the millisecond.</param>
/// <param name="Ip">The client's address whose logins of this user are refused, IPv4 or IPv6.</param>
/// <param name="UserAgent">The client's User-Agent, cut to 512 characters.</param>
/// <param name="Context">What the publisher's enrichment added.</param>
public sealed record UserLockedOutData(
    string UserId, string Email, DateTimeOffset Timestamp, DateTimeOffset Until,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Ip = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? UserAgent = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] Enrichment? Context = null);

/// <summary>What was found out about the client while the event was published. Which members it has depends on the publisher's enrichment.</summary>
/// <param name="Country">The country of the client's address, ISO 3166-1 alpha-2, for example <c>NL</c>.</param>
/// <param name="DeviceFamily">The kind of device that the User-Agent names: <c>iphone</c>, <c>ipad</c>, <c>android</c>, <c>windows</c>, <c>mac</c>, <c>linux</c>, <c>chromebook</c>, <c>bot</c> or <c>other</c>.</param>
public sealed record Enrichment(
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Country = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? DeviceFamily = null)
{
    /// <summary>What an operator's own enrichment added.</summary>
    [JsonExtensionData]
    public IDictionary<string, JsonElement>? Others { get; set; }
}

/// <summary>Who published an event, and its schema version.</summary>
/// <param name="Service">The publishing service's name.</param>
/// <param name="Version">The publishing service's version.</param>
/// <param name="Environment">Where it runs, for example <c>production</c>.</param>
/// <param name="EventId">The event's own id, a UUIDv7; also the <c>Nats-Msg-Id</c>.</param>
/// <param name="CorrelationId">The same for everything that one request caused.</param>
/// <param name="SchemaVersion">The schema version of the event.</param>
public sealed record EventMetadata(string Service, string Version, string Environment, string EventId, string CorrelationId, int SchemaVersion = 1);
