namespace Watchword.Events.Contracts;

/// <summary>A user registered. Published once for each user, in the transaction that makes the row.</summary>
/// <param name="Subject">Always <c>auth.user.registered</c>.</param>
/// <param name="Data">Who registered.</param>
/// <param name="Metadata">Who published it.</param>
public sealed record UserRegistered(string Subject, UserRegisteredData Data, EventMetadata Metadata);

/// <summary>Who registered.</summary>
/// <param name="UserId">The identity server's id.</param>
/// <param name="Email">The e-mail address, lower case.</param>
/// <param name="Name">The display name.</param>
/// <param name="Timestamp">When, UTC, by the database's clock.</param>
public sealed record UserRegisteredData(string UserId, string Email, string Name, DateTimeOffset Timestamp);

/// <summary>Who published an event, and in which form.</summary>
/// <param name="Service">The publishing service.</param>
/// <param name="Version">The publishing service's version.</param>
/// <param name="Environment">Where it runs, for example <c>production</c>.</param>
/// <param name="EventId">UUIDv7; also the <c>Nats-Msg-Id</c>.</param>
/// <param name="CorrelationId">Joins everything that one request caused.</param>
/// <param name="SchemaVersion">Of the event's form.</param>
public sealed record EventMetadata(string Service, string Version, string Environment, string EventId, string CorrelationId, int SchemaVersion = 1);
