using System.Diagnostics;
using Npgsql;
using Watchword.Auditing;
using Watchword.Events.Contracts;
using Watchword.Events.Erasure;
using Watchword.Events.JetStream;
using Watchword.Server.Store;

namespace Watchword.Server.Erasure;

/// <summary>
/// Erases a person from everything that Watchword keeps: identity tables, outbox, parked events, streams and audit log. At
/// the end it publishes <c>user.erased</c>. If it fails midway, it can be repeated: it erases what is left.
/// </summary>
/// <param name="identity">The identity store.</param>
/// <param name="tables">Its tables.</param>
/// <param name="others">Other databases with parked events or an audit log, by their names for people.</param>
/// <param name="jetStream">Where the streams are.</param>
internal sealed class PersonErasure(NpgsqlDataSource identity, IdentityTables tables, IReadOnlyList<(string Name, NpgsqlDataSource Database)> others, JetStreamClient jetStream)
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(250);
    private static readonly string[] Searched = [.. Streams.All.Append(Streams.SecurityAlerts).Select(s => s.Name!)];

    private IEnumerable<(string Name, NpgsqlDataSource Database)> Databases => others.Prepend(("identity database", identity));

    /// <summary>Refuses what is not to be erased, before anybody is asked to confirm it.</summary>
    /// <exception cref="ErasureRefusedException">There never was such a user, or the account still exists.</exception>
    public async Task CheckAsync(string userId, bool withAccount, CancellationToken ct)
    {
        var traces = new IdentityTraces(identity, tables, new(userId));
        if (!await traces.WasKnownAsync(ct))
            throw new ErasureRefusedException($"There is no user {userId}, and there never was one: check the id.");
        if (!withAccount && await traces.HasAccountAsync(ct))
            throw new ErasureRefusedException($"User {userId} still has an account. Delete it first, or give --with-account to delete it now.");
    }

    /// <summary>Erases the person.</summary>
    /// <param name="userId">The user's id.</param>
    /// <param name="by">Who erases; recorded in the audit log.</param>
    /// <param name="reason">Why; recorded in the audit log for good.</param>
    /// <param name="withAccount">Deletes the account, too.</param>
    /// <param name="known">Addresses and numbers that the caller knows of.</param>
    /// <param name="ct">Stops; what was erased stays erased.</param>
    /// <exception cref="ErasureRefusedException">As <see cref="CheckAsync"/>; or events about the person are not published yet.</exception>
    public async Task<ErasedPerson> RunAsync(string userId, string by, string reason, bool withAccount, IEnumerable<string> known, CancellationToken ct)
    {
        await CheckAsync(userId, withAccount, ct);
        var person = new PersonTraces(userId);
        foreach (var text in known)
            person.Add(text);
        var traces = new IdentityTraces(identity, tables, person);
        var hadAccount = await traces.HasAccountAsync(ct);
        await LearnAsync(person, traces, ct);
        await traces.BeginAsync(by, reason, ct);

        List<ErasedPlace> places = [new("identity tables", await traces.DeleteRowsAsync(ct))];
        await WaitUntilPublishedAsync(person, ct);
        await WaitForConsumersAsync(ct);
        // The outbox before the streams: an audit of the stream must not take what is deleted there for lost.
        places.Add(new("outbox", await OutboxErasure.EraseAsync(identity, person, ct)));
        foreach (var (name, database) in Databases)
            if (await ParkedErasure.ExistAsync(database, ct))
                places.Add(new($"parked events, {name}", await ParkedErasure.EraseAsync(database, person, by, ct)));
        foreach (var stream in Searched)
            places.Add(new($"stream {stream}", await StreamErasure.EraseAsync(jetStream, stream, person, ct)));
        foreach (var (name, database) in Databases)
            if (await AuditLogEraser.ExistsAsync(database, ct))
                places.Add(new($"audit log, {name}", await AuditLogEraser.EraseAsync(database, person, by, reason, ct)));

        var erased = new ErasedPerson(userId, hadAccount, places);
        if (erased.Total > 0 || !await traces.IsCompleteAsync(ct))
            await traces.CompleteAsync(ct);
        return erased;
    }

    // Everywhere before anything is erased: what one place knows, another may hold.
    private async Task LearnAsync(PersonTraces person, IdentityTraces traces, CancellationToken ct)
    {
        await traces.LearnAsync(ct);
        await OutboxErasure.LearnAsync(identity, person, ct);
        foreach (var (_, database) in Databases)
        {
            if (await ParkedErasure.ExistAsync(database, ct))
                await ParkedErasure.LearnAsync(database, person, ct);
            if (await AuditLogEraser.ExistsAsync(database, ct))
                await AuditLogEraser.LearnAsync(database, person, ct);
        }
        foreach (var stream in Searched)
            await StreamErasure.LearnAsync(jetStream, stream, person, ct);
        await traces.LeaveToOthersAsync(ct);
    }

    // They have in hand what was just published, such as user.deleted, and would keep it after this has looked. One that is
    // down has nothing in hand, and is not waited for longer than this.
    private async Task WaitForConsumersAsync(CancellationToken ct)
    {
        for (var clock = Stopwatch.StartNew(); clock.Elapsed < Patience; await Task.Delay(Poll, ct))
        {
            var isBusy = false;
            foreach (var stream in Searched)
                if (await jetStream.FindStreamAsync(stream, ct) is not null)
                    isBusy |= (await jetStream.ListConsumersAsync(stream, ct)).Any(c => c.Config.DurableName is not null && (c.NumPending > 0 || c.NumAckPending > 0));
            if (!isBusy)
                return;
        }
    }

    // The relay may have read an event that it has not published yet: it would arrive in the stream after this has looked.
    private async Task WaitUntilPublishedAsync(PersonTraces person, CancellationToken ct)
    {
        for (var clock = Stopwatch.StartNew(); await OutboxErasure.CountUnpublishedAsync(identity, person, ct) is > 0 and var waiting; await Task.Delay(Poll, ct))
            if (clock.Elapsed > Patience)
                throw new ErasureRefusedException(
                    $"{waiting} event{(waiting == 1 ? "" : "s")} about {person.UserId} {(waiting == 1 ? "is" : "are")} not published yet, and nothing was erased from the outbox, the streams and the audit log. Run a server with the role relay, see what its log says of held events, and repeat this command.");
    }
}
