using Microsoft.Extensions.Logging;
using Npgsql;
using Watchword.Events;
using Watchword.Events.Contracts;

namespace Watchword.UserSync;

/// <summary>Stores states of users, and finds those that the table refuses. While the database is away it waits.</summary>
internal sealed class UserWriter(TargetUsers users, TargetAddresses addresses, UserSyncOptions options, ILogger logger) : IDisposable
{
    private readonly AddressWaiters _waiters = new(users, addresses, logger);

    /// <summary>How long a user waits for an address before they are tried again.</summary>
    public TimeSpan AddressDelay => _waiters.Delay;

    /// <summary>Stores the states; at most one a user. States that are outdated change nothing.</summary>
    /// <param name="changes">The states.</param>
    /// <param name="ct">Gives up.</param>
    /// <returns>Those that were not stored, with the reason, and those of other users that could be stored now.</returns>
    public async Task<(List<(UserChange Change, Refusal Why)> Refused, IReadOnlyList<UserChange> Freed)> StoreAsync(ArraySegment<UserChange> changes, CancellationToken ct)
    {
        List<(UserChange Change, Refusal Why)> refused = [];
        List<UserChange> blocked = [];
        await StoreAsync(changes, isCareful: false, refused, blocked, ct);
        _waiters.Forget(changes.Where(c => !blocked.Contains(c)));
        if (blocked.Count == 0 && _waiters.Count == 0)
            return (refused, []);
        var (stored, others) = await PersistAsync(() => _waiters.StoreAsync(blocked, ct), ct);
        foreach (var change in blocked)
            if (others.TryGetValue(change.Data.UserId!, out var why))
                refused.Add((change, why));
        return (refused, stored);
    }

    /// <summary>Stores one state. Null when it is stored, or outdated.</summary>
    public async Task<Refusal?> StoreAsync(UserChange change, CancellationToken ct)
    {
        var (refused, _) = await StoreAsync(new[] { change }, ct);
        return refused.Count > 0 ? refused[0].Why : null;
    }

    /// <summary>Stores one state if the table takes it as it is.</summary>
    public async Task<bool> TryStoreAsync(UserChange change, CancellationToken ct) => await RefusalAsync(change, ct) is null;

    /// <inheritdoc cref="TargetUsers.NewerAsync"/>
    public Task<long?> NewerAsync(UserChange change, CancellationToken ct) => PersistAsync(() => users.NewerAsync(change, ct), ct);

    /// <inheritdoc/>
    public void Dispose() => _waiters.Dispose();

    // What the table refuses is found by halving, and what takes too long is halved too.
    private async Task StoreAsync(ArraySegment<UserChange> changes, bool isCareful, List<(UserChange, Refusal)> refused, List<UserChange> blocked, CancellationToken ct)
    {
        while (changes.Count > 1)
        {
            try
            {
                await PersistAsync(() => users.ApplyAsync([.. changes], isCareful, ct), ct, isOne: false);
                return;
            }
            catch (NpgsqlException e) when (e.IsObjection() || e.IsTooSlow())
            {
                isCareful = true;
                await StoreAsync(changes[..(changes.Count / 2)], isCareful, refused, blocked, ct);
                changes = changes[(changes.Count / 2)..];
            }
        }
        if (changes.Count == 0 || await RefusalAsync(changes[0], ct) is not { } refusal)
            return;
        if (await PersistAsync(() => users.IsAddressTakenAsync(refusal, ct), ct))
            blocked.Add(changes[0]);
        else
            refused.Add((changes[0], new(Reason(refusal), Waits: false)));
    }

    private async Task<PostgresException?> RefusalAsync(UserChange change, CancellationToken ct)
    {
        try
        {
            await PersistAsync(() => users.ApplyAsync([change], isCareful: true, ct), ct);
            return null;
        }
        // What is known of a deleted user is worth less than that they are deleted.
        catch (PostgresException e) when (e.IsObjection() && change.DeletedAt is not null && change.Data != Bare(change))
        {
            return await RefusalAsync(change with { Data = Bare(change) }, ct);
        }
        catch (PostgresException e) when (e.IsObjection())
        {
            return e;
        }
    }

    /// <summary>The reason as operators read it.</summary>
    public static string Reason(PostgresException e) => $"the users table refuses it: {e.MessageText} ({e.SqlState})";

    private static UserData Bare(UserChange change) => new(change.Data.UserId);

    private Task<bool> PersistAsync(Func<Task> work, CancellationToken ct, bool isOne = true) => PersistAsync(async () =>
    {
        await work();
        return true;
    }, ct, isOne);

    private async Task<T> PersistAsync<T>(Func<Task<T>> work, CancellationToken ct, bool isOne = true)
    {
        var backoff = new Backoff(options.RetryDelayMin, options.RetryDelayMax);
        while (true)
        {
            try
            {
                return await work();
            }
            catch (Exception e) when (e.IsOutage() && (isOne || !e.IsTooSlow()))
            {
                var delay = backoff.Next();
                logger.TargetFailed(e.Message, delay);
                await Task.Delay(delay, ct);
            }
        }
    }
}
