using System.Text.Json.Serialization;

namespace Watchword.Events.Contracts;

/// <summary>Something about a user's logins deserves a look.</summary>
/// <remarks>By a service that watches <c>auth.user.*</c>, not by the identity server; that service makes the stream too.</remarks>
public sealed record SecurityAlert(string Subject, SecurityAlertData Data, EventMetadata Metadata)
    : AuthEvent<SecurityAlertData>(Subject, Data, Metadata)
{
    private protected override (string, DateTimeOffset) Key => (Data.UserId, Data.Timestamp);
}

/// <summary>What was noticed, about whom.</summary>
/// <param name="UserId">The user's id in the identity server; the address that was tried, where nobody has it.</param>
/// <param name="Kind"><c>new_device</c>, <c>brute_force</c>, <c>login_failures</c> or <c>refresh_burst</c>; others may come.</param>
/// <param name="Detail">One sentence for people.</param>
/// <param name="Timestamp">When it was noticed, UTC; to the millisecond.</param>
/// <param name="Ip">The client's address, IPv4 or IPv6.</param>
/// <param name="UserAgent">The client's User-Agent.</param>
public sealed record SecurityAlertData(
    string UserId, string Kind, string Detail, DateTimeOffset Timestamp,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? Ip = null,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)] string? UserAgent = null);
