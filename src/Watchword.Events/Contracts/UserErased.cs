namespace Watchword.Events.Contracts;

/// <summary>Everything that was kept about a deleted user was erased.</summary>
/// <remarks>When an operator has erased the person (<c>./run audit erase</c>). Whoever keeps copies of earlier events should forget them too. It comes after the user's <c>user.deleted</c>, and may be all that is left of it.</remarks>
/// <param name="Event">The event's name, the same as its subject.</param>
/// <param name="Timestamp">When it happened, UTC, by the database's clock; to the millisecond.</param>
/// <param name="Data">Who was erased, and nothing else about them.</param>
/// <param name="Id">The event's own id, a UUIDv7; also the <c>Nats-Msg-Id</c>.</param>
/// <param name="Version">The user's last version, higher than any before; counted in microseconds since 1970; a version more than a day ahead is refused.</param>
/// <param name="SchemaVersion">The schema version of the event.</param>
public sealed record UserErased(
    string Event, DateTimeOffset Timestamp, UserErasedData Data, string Id, long Version, int SchemaVersion = 1) : IEvent
{
    string? IEvent.Fault(DateTimeOffset now) =>
        Version <= 0 ? "version must be positive" : Data.UserId.Length == 0 ? "data.userId is empty" : IEvent.Ahead(Version, now);
}

/// <summary>Who was erased.</summary>
/// <param name="UserId">The user's id in the identity server.</param>
public sealed record UserErasedData(string UserId);
