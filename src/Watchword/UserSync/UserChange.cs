using System.Text.Json;
using Watchword.Events.Contracts;

namespace Watchword.UserSync;

/// <summary>A <c>user.sync</c> event that can be applied: checked, and placed in the order of its user's events.</summary>
/// <param name="Data">With user id, and e-mail unless it is a deletion.</param>
/// <param name="Version">Of the publisher; for events without one their time in microseconds since 1970.</param>
/// <param name="Tie">Orders two events of one time: the stream's sequence; 0 for events with a version.</param>
/// <param name="DeletedAt">When the user was deleted; null when they exist.</param>
public readonly record struct UserChange(UserData Data, long Version, long Tie, DateTime? DeletedAt)
{
    private static readonly int SchemaVersion = EventCatalogue.Of(typeof(UserSyncEvent)).SchemaVersion;

    /// <summary>Whether this is the later of two events of one user.</summary>
    public bool IsNewerThan(UserChange other) => (Version, Tie).CompareTo((other.Version, other.Tie)) > 0;

    /// <summary>What two events of one user come to: the later one. A deletion keeps what the earlier one knew.</summary>
    public static UserChange Newest(UserChange one, UserChange other)
    {
        var (newer, older) = one.IsNewerThan(other) ? (one, other) : (other, one);
        return newer.DeletedAt is not null && older.DeletedAt is null ? newer with { Data = older.Data } : newer;
    }

    /// <summary>Reads an event. When it cannot be applied, <paramref name="fault"/> says why, and names the field.</summary>
    /// <param name="payload">JSON in UTF-8.</param>
    /// <param name="streamSequence">Of the message.</param>
    /// <param name="now">For the check of times that lie ahead.</param>
    /// <param name="change">The event, when true is returned.</param>
    /// <param name="fault">The reason, when false is returned.</param>
    public static bool TryParse(ReadOnlySpan<byte> payload, ulong streamSequence, DateTimeOffset now, out UserChange change, out string fault)
    {
        change = default;
        UserSyncEvent? parsed;
        try
        {
            parsed = JsonSerializer.Deserialize(payload, EventJson.Default.UserSyncEvent);
        }
        catch (JsonException e)
        {
            fault = e.Path is null or "$" ? "not valid JSON: " + e.Message : $"{e.Path.TrimStart('$', '.')} has the wrong type";
            return false;
        }
        catch (InvalidOperationException)
        {
            fault = "a text holds half of a surrogate pair";
            return false;
        }

        fault = Fault(parsed, now) ?? "";
        if (fault.Length > 0)
            return false;
        change = new(
            parsed!.Data!,
            parsed.Version ?? (parsed.Timestamp!.Value - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond,
            parsed.Version is null ? (long)streamSequence : 0,
            parsed.Event == "user.deleted" ? parsed.Timestamp?.UtcDateTime ?? now.UtcDateTime : null);
        return true;
    }

    private static string? Fault(UserSyncEvent? parsed, DateTimeOffset now) => parsed switch
    {
        null => "the event is null",
        _ when (parsed.SchemaVersion ?? 1) > SchemaVersion => $"schemaVersion {parsed.SchemaVersion} is newer than {SchemaVersion}, which this build reads: update it",
        { Event: null } => "event is missing",
        { Event: not ("user.created" or "user.updated" or "user.deleted") } => $"event is '{parsed.Event}': expected user.created, user.updated or user.deleted",
        { Version: null, Timestamp: null } => "timestamp is missing, and so is version: one of them must order the event",
        { Version: <= 0 } => "version must be positive",
        _ when ((IEvent)parsed).Fault(now) is { } ahead => ahead,
        { Version: null, Timestamp: var at } when at < DateTimeOffset.UnixEpoch => $"timestamp {at:O} lies before 1970",
        { Data: null } => "data is missing",
        { Data.UserId: null or "" } => "data.userId is missing",
        { Data.Email: null or "", Event: not "user.deleted" } => "data.email is missing",
        { Data: var data } when HasNul(data.UserId) || HasNul(data.Email) || HasNul(data.Phone) || HasNul(data.Name)
            || HasNul(data.OrganizationId) || Array.Exists(data.Roles ?? [], r => r is null || HasNul(r))
            => "a text of data holds a NUL character, which PostgreSQL does not store, or a role is null",
        _ => null,
    };

    private static bool HasNul(string? text) => text?.Contains('\0', StringComparison.Ordinal) ?? false;
}
