using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Npgsql;

namespace Watchword.UserSync;

/// <summary>
/// Users whose address another row still holds, in a table whose addresses are unique. Events of different users have no
/// order: an address may reach its new owner before it leaves the old one, and two users may swap theirs. Whenever
/// something is stored, those whose address is free, or becomes free by one of their own, are stored together.
/// </summary>
/// <remarks>Known in memory only. Each is parked as well, and a new process finds them when it tries them again.</remarks>
internal sealed class AddressWaiters(TargetUsers users, TargetAddresses addresses, ILogger logger) : IDisposable
{
    private static readonly TimeSpan ShortestDelay = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan EachTakes = TimeSpan.FromMilliseconds(10);

    private readonly ConcurrentDictionary<string, UserChange> _waiting = [];
    private readonly SemaphoreSlim _turn = new(1);

    /// <summary>How many wait.</summary>
    public int Count => _waiting.Count;

    /// <summary>The wait before one is tried again, in case that the application itself freed the address. The more wait the longer, so that they do not keep the database busy.</summary>
    public TimeSpan Delay => EachTakes * Count is var all && all > ShortestDelay ? all : ShortestDelay;

    /// <summary>A newer state of these users takes the place of what waits.</summary>
    public void Forget(IEnumerable<UserChange> changes)
    {
        if (_waiting.IsEmpty)
            return;
        foreach (var change in changes)
            if (_waiting.TryGetValue(change.Data.UserId!, out var waiting) && !waiting.IsNewerThan(change))
                _waiting.TryRemove(new(change.Data.UserId!, waiting));
    }

    /// <summary>Stores these states, and those of others that wait, as far as their addresses are free or become free by it.</summary>
    /// <param name="blocked">States whose addresses were taken when they were tried by themselves.</param>
    /// <param name="ct">Gives up.</param>
    /// <returns>What was stored, and why others of these users were not.</returns>
    /// <exception cref="NpgsqlException">The database failed.</exception>
    public async Task<(List<UserChange> Stored, Dictionary<string, Refusal> Refused)> StoreAsync(List<UserChange> blocked, CancellationToken ct)
    {
        await _turn.WaitAsync(ct);
        try
        {
            foreach (var change in blocked)
                Await(change);
            var free = await addresses.FreeAsync([.. _waiting.Values], ct);
            // Its address may look taken and be free: the table may tell upper from lower case.
            free.UnionWith(blocked.Select(b => b.Data.UserId!));
            List<UserChange> candidates = [.. _waiting.Values.Where(w => free.Contains(w.Data.UserId!))];
            var refused = await addresses.StoreTogetherAsync(candidates, ct);
            var stored = candidates.FindAll(c => !refused.ContainsKey(c));
            Forget(stored);
            foreach (var (change, refusal) in refused)
                if (!users.Email.IsTaken(refusal))
                    _waiting.TryRemove(new(change.Data.UserId!, change));
            return (stored, refused.ToDictionary(r => r.Key.Data.UserId!, r => Why(r.Value)));
        }
        finally
        {
            _turn.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _turn.Dispose();

    private void Await(UserChange change)
    {
        var isNew = !_waiting.ContainsKey(change.Data.UserId!);
        _waiting.AddOrUpdate(change.Data.UserId!, change, (_, waiting) => change.IsNewerThan(waiting) ? change : waiting);
        if (isNew)
            logger.AddressTaken(change.Data.UserId!);
    }

    private Refusal Why(PostgresException e) => users.Email.IsTaken(e)
        ? new($"another row of the users table holds its address; it is stored when the address is free: {e.MessageText} ({e.SqlState})", Waits: true)
        : new(UserWriter.Reason(e), Waits: false);
}
