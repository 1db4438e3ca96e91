namespace Watchword.Events.Contracts;

/// <summary>Everything that was kept about a deleted user was erased.</summary>
/// <remarks>When an operator has erased the person (<c>./run audit erase</c>). Whoever keeps copies of earlier events should forget them too. It comes after the user's <c>user.deleted</c>, and may be all that is left of it.</remarks>
public sealed record UserErased(string Event, DateTimeOffset Timestamp, UserErasedData Data, string Id, long Version, int SchemaVersion = 1)
    : ChangeEvent<UserErasedData>(Event, Timestamp, Data, Id, Version, SchemaVersion);

/// <summary>Who was erased.</summary>
/// <param name="UserId">The user's id in the identity server.</param>
public sealed record UserErasedData(string UserId) : IKeyed
{
    (string, string) IKeyed.Key => ("data.userId", UserId);
}
