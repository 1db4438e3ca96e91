using Watchword.Events.Contracts;

namespace Watchword.UserSync;

/// <summary>A <c>user.sync</c> or <c>user.erased</c> event that can be applied: checked, and placed in the order of its user's events.</summary>
/// <param name="Data">With user id, and e-mail unless it is a deletion.</param>
/// <param name="Version">Of the publisher; for events without one their time in microseconds since 1970.</param>
/// <param name="Tie">Orders two events of one time: the stream's sequence; 0 for events with a version.</param>
/// <param name="DeletedAt">When the user was deleted; null when they exist.</param>
/// <param name="IsErased">Whether nothing of a deleted user may be kept but the id.</param>
public readonly record struct UserChange(UserData Data, long Version, long Tie, DateTime? DeletedAt, bool IsErased = false)
{
    private static readonly EventType Type = EventCatalogue.Of(typeof(UserSyncEvent));

    /// <summary>Whether this is the later of two events of one user.</summary>
    public bool IsNewerThan(UserChange other) => (Version, Tie).CompareTo((other.Version, other.Tie)) > 0;

    /// <summary>What two events of one user come to: the later one. A deletion keeps what the earlier one knew, an erasure does not.</summary>
    public static UserChange Newest(UserChange one, UserChange other)
    {
        var (newer, older) = one.IsNewerThan(other) ? (one, other) : (other, one);
        return newer is { DeletedAt: not null, IsErased: false } && older.DeletedAt is null ? newer with { Data = older.Data } : newer;
    }

    /// <summary>Reads an event. When it cannot be applied, <paramref name="fault"/> says why, and names the field.</summary>
    /// <param name="payload">JSON in UTF-8.</param>
    /// <param name="streamSequence">Of the message.</param>
    /// <param name="now">When a deletion was that names no time.</param>
    /// <param name="change">The event, when true is returned.</param>
    /// <param name="fault">The reason, when false is returned.</param>
    public static bool TryParse(ReadOnlySpan<byte> payload, ulong streamSequence, DateTimeOffset now, out UserChange change, out string fault)
    {
        change = default;
        if (EventReader.Read(Type, payload, out fault) is not UserSyncEvent parsed)
            return false;
        fault = Fault(parsed) ?? "";
        if (fault.Length > 0)
            return false;
        change = new(
            parsed.Data!,
            parsed.Version ?? (parsed.Timestamp!.Value - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond,
            parsed.Version is null ? (long)streamSequence : 0,
            parsed.Event is "user.deleted" or "user.erased" ? parsed.Timestamp?.UtcDateTime ?? now.UtcDateTime : null,
            parsed.Event == "user.erased");
        return true;
    }

    private static string? Fault(UserSyncEvent parsed) => parsed switch
    {
        { Event: null } => "event is missing",
        { Event: not ("user.created" or "user.updated" or "user.deleted" or "user.erased") } => $"event is '{parsed.Event}': expected user.created, user.updated, user.deleted or user.erased",
        { Version: null, Timestamp: null } => "timestamp is missing, and so is version: one of them must order the event",
        { Version: <= 0 } => "version must be positive",
        { Version: null, Timestamp: var at } when at < DateTimeOffset.UnixEpoch => $"timestamp {at:O} lies before 1970",
        { Data: null } => "data is missing",
        { Data.UserId: null or "" } => "data.userId is missing",
        { Data.Email: null or "", Event: not ("user.deleted" or "user.erased") } => "data.email is missing",
        { Data.Roles: { } roles } when Array.IndexOf(roles, null) is >= 0 and var i => $"data.roles[{i}] has the wrong type",
        { Data: var data } when FieldWithNul(data) is { } field => $"{field} holds a NUL character, which PostgreSQL does not store",
        _ => null,
    };

    private static string? FieldWithNul(UserData data) =>
        HasNul(data.UserId) ? "data.userId"
        : HasNul(data.Email) ? "data.email"
        : HasNul(data.Phone) ? "data.phone"
        : HasNul(data.Name) ? "data.name"
        : HasNul(data.OrganizationId) ? "data.organizationId"
        : Array.FindIndex(data.Roles ?? [], HasNul) is >= 0 and var i ? $"data.roles[{i}]"
        : null;

    private static bool HasNul(string? text) => text?.Contains('\0', StringComparison.Ordinal) ?? false;
}
