namespace Watchword.Events.Contracts;

/// <summary>Every kind of event that Watchword publishes.</summary>
public static class EventCatalogue
{
    /// <summary>In the order of the documentation.</summary>
    public static IReadOnlyList<EventType> All { get; } =
    [
        new("auth.user.registered", Streams.AuthEvents.Name, 1, EventJson.Default.UserRegistered),
        new("user.sync", Streams.IdentityChanges.Name, 1, EventJson.Default.UserSyncEvent),
    ];

    /// <summary>The kind whose record is <paramref name="record"/>.</summary>
    /// <exception cref="ArgumentException">There is none; names those there are.</exception>
    public static EventType Of(Type record) => All.FirstOrDefault(t => t.Record == record)
        ?? throw new ArgumentException($"{record.Name} is no event of Watchword: choose from {string.Join(", ", All.Select(t => t.Record.Name))}", nameof(record));

    /// <summary>The kind that is published to a subject, or to a finer one below it; null when there is none.</summary>
    public static EventType? Find(string subject) => All.FirstOrDefault(t => subject.StartsWith(t.Subject, StringComparison.Ordinal)
        && (subject.Length == t.Subject.Length || subject[t.Subject.Length] == '.'));
}
