using Watchword.Events.Subscribing;

namespace Watchword.UserSync;

/// <summary>Closes the parked states of users of whom a newer one is known.</summary>
internal sealed class ParkedStates(ParkingService parking)
{
    /// <summary>Closes what newer states have made pointless.</summary>
    /// <param name="users">Those of whom something came, each with the state that is stored now, if one was stored.</param>
    /// <param name="ct">Gives up.</param>
    public async Task SupersedeAsync(IEnumerable<(string User, UserChange? Stored)> users, CancellationToken ct)
    {
        var stored = new Dictionary<string, UserChange?>();
        foreach (var (user, change) in users)
            if (EventContext.QueueOf(user) is var queue && parking.Lot.Holds(queue))
                stored[queue] = change;
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
