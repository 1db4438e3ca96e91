using Watchword.Events.Subscribing;

namespace Watchword.UserSync;

/// <summary>Closes the parked states of users of whom a newer one is known.</summary>
internal static class ParkedStates
{
    /// <summary>Closes what newer states have made pointless.</summary>
    /// <param name="parking">Where they are parked.</param>
    /// <param name="users">Users of whom something came, each with the state that was stored; null where none was.</param>
    /// <param name="ct">Gives up.</param>
    public static async Task SupersedeAsync(ParkingService parking, Dictionary<string, UserChange?> users, CancellationToken ct)
    {
        var stored = users.Select(u => (Queue: EventContext.QueueOf(u.Key), u.Value)).Where(u => parking.Lot.Holds(u.Queue)).ToDictionary(u => u.Queue, u => u.Value);
        if (stored.Count == 0)
            return;
        List<(ParkedEvent, string)> superseded = [];
        foreach (var queue in (await parking.OpenAsync([.. stored.Keys], ct)).GroupBy(p => p.Queue))
            superseded.AddRange(Superseded([.. queue.SelectMany(Read)], stored[queue.Key]));
        if (superseded.Count > 0)
            await parking.SupersedeAsync(superseded, ct);
    }

    private static IEnumerable<(ParkedEvent, string)> Superseded(List<(ParkedEvent Parked, UserChange Change)> open, UserChange? stored)
    {
        foreach (var (parked, change) in open)
        {
            if (stored is { } done && !change.IsNewerThan(done))
                yield return (parked, done.IsNewerThan(change) ? By(done) : $"version {change.Version} was stored meanwhile");
            else if (open.Max(o => (o.Change.Version, o.Change.Tie)) is var newest && newest.CompareTo((change.Version, change.Tie)) > 0)
                yield return (parked, $"superseded by version {newest.Version}");
        }
    }

    private static string By(UserChange newer) => $"superseded by version {newer.Version}";

    // What cannot be read is in a queue of its own.
    private static IEnumerable<(ParkedEvent, UserChange)> Read(ParkedEvent parked) =>
        UserChange.TryParse(parked.Payload, (ulong)parked.Sequence, DateTimeOffset.UtcNow, out var change, out _) ? [(parked, change)] : [];
}
