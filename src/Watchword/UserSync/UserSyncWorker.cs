using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Npgsql;
using Watchword.Events;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;
using Watchword.Events.Postgres;
using Watchword.Events.Replay;
using Watchword.Events.Subscribing;

namespace Watchword.UserSync;

/// <summary>
/// Keeps a users table in step with <c>user.sync</c>: reads what is there, collapses it to the newest state of each user,
/// writes that in one transaction, then acknowledges. An event that cannot be applied is parked, and the later ones of
/// its user wait behind it.
/// </summary>
public sealed class UserSyncWorker(NpgsqlDataSource target, JetStreamClient jetStream, UserSyncOptions options, ILogger<UserSyncWorker> logger)
    : LeasedConsumer(options.Durable, target, jetStream, logger)
{
    private static readonly TimeSpan FlushPatience = TimeSpan.FromSeconds(2);

    private readonly TargetUsers _users = new(target);
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _applied;

    /// <summary>Completes when the table is there and events are being read, for the first time.</summary>
    public Task Ready => _ready.Task;

    /// <summary>Events that this process has applied and acknowledged since it started.</summary>
    public long AppliedTotal => Interlocked.Read(ref _applied);

    /// <inheritdoc/>
    protected override TimeSpan RetryDelayMin => options.RetryDelayMin;

    /// <inheritdoc/>
    protected override TimeSpan RetryDelayMax => options.RetryDelayMax;

    /// <inheritdoc/>
    protected override IReadOnlyList<MigrationSet> Migrations => UserSyncSchema.Migrations;

    /// <inheritdoc/>
    protected override bool IsExpected(Exception e) => e is UserSyncException || base.IsExpected(e);

    /// <inheritdoc/>
    protected override Task CheckAsync(CancellationToken ct) => _users.CheckAsync(ct);

    /// <inheritdoc/>
    protected override void OnStandby() => _ready.TrySetResult();

    /// <inheritdoc/>
    protected override async Task WorkAsync(AdvisoryLease lease, CancellationToken ct)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        using var gate = new WorkGate();   // its own: nothing here kills a process
        var parking = new ParkingService(Database, Name, new() { MaxDeliver = options.MaxDeliver, Backoff = options.Backoff }, JetStream, gate, HandleParkedAsync, Logger);
        await parking.LoadAsync(lease, ct);
        List<Task> work =
        [
            ReadAsync(parking.Lot, stop.Token),
            // An event that comes twice changes nothing, so nothing has to be known before.
            parking.RedriveAsync(Task.CompletedTask, stop, stop.Token),
            .. parking.Begin(lease, stop.Token),
        ];
        await Task.WhenAny(work);
        await stop.CancelAsync();
        await Task.WhenAll(work).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await JetStream.FlushAsync(FlushPatience);
        await Task.WhenAll(work);   // throws what failed, if anything did
    }

    private async Task ReadAsync(ParkingLot lot, CancellationToken ct)
    {
        var durable = new Durable(options.Stream, options.Consumer(), JetStream, Logger);
        await durable.WaitForStreamAsync(static () => { }, ct);
        await durable.EnsureAsync(ct);
        var acks = new BatchAcks(durable, JetStream);
        await acks.AskAsync(ct);
        await using var messages = await DurableMessages.OpenAsync(JetStream, options.Stream, Name, options.BatchSize * 2, ct);
        Logger.SyncReads(options.Stream, Name);
        _ready.TrySetResult();
        await ReadAsync(messages.Reader, acks, lot, ct);
    }

    // While the database works at one batch the next is read and parsed. It is applied when the first is acknowledged,
    // so that the order of the stream holds.
    private async Task ReadAsync(ChannelReader<Delivery> messages, BatchAcks acks, ParkingLot lot, CancellationToken ct)
    {
        SyncBatch next = new(), current = new();
        var working = Task.CompletedTask;
        try
        {
            while (true)
            {
                var readable = messages.WaitToReadAsync(ct).AsTask();
                if (await Task.WhenAny(readable, working) == working)
                    await working;   // what failed must not wait for the next event to be noticed
                if (!await readable)
                    break;
                Fill(next, messages);
                await working;
                Fill(next, messages);
                (current, next) = (next, current);
                working = HandleAsync(current, acks, lot, ct);
            }
        }
        finally
        {
            await working.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task HandleAsync(SyncBatch batch, BatchAcks acks, ParkingLot lot, CancellationToken ct)
    {
        while (batch.Seen < batch.Events.Count)
        {
            var e = batch.Events[batch.Seen];
            if (e.Fault is not null && batch.Newest.Count > 0 && Unacknowledged(e).Key is { } key && batch.Newest.ContainsKey(key))
            {
                // What comes before it of the same user may be refused, and is then first in line.
                await ApplyAsync(batch, batch.Newest.Values.ToArray(), lot, ct);
                batch.Newest.Clear();
            }
            Collapse(batch, e, lot);
            batch.Seen++;
        }
        await ApplyAsync(batch, batch.Newest.Values.ToArray(), lot, ct);

        // Only now: an event that is acknowledged before its commit is lost when the process dies in between.
        if (batch.Parked.Count > 0)
            await lot.FlushAsync(ct);
        await acks.CommittedAsync(batch.Events.Select(e => e.Message), ct);
        Interlocked.Add(ref _applied, batch.Events.Count);
        Logger.UsersSynced(batch.Events.Count, batch.Newest.Count);
        batch.Clear();
    }

    private void Fill(SyncBatch batch, ChannelReader<Delivery> messages)
    {
        while (batch.Events.Count < options.BatchSize && messages.TryRead(out var message))
            batch.Events.Add(UserChange.TryParse(message.Payload, message.Sequence, DateTimeOffset.UtcNow, out var change, out var fault)
                ? new(message, change, null)
                : new(message, default, fault));
    }

    private void Collapse(SyncBatch batch, in SyncEvent e, ParkingLot lot)
    {
        if (IsSkipped(e) || IsHeld(batch, e, lot))
            return;
        if (e.Fault is not null)
            Park(batch, e, e.Fault, delay: null, lot);
        else if (!batch.Newest.TryGetValue(e.Change.Data.UserId!, out var other))
            batch.Newest.Add(e.Change.Data.UserId!, e.Change);
        else
            batch.Newest[e.Change.Data.UserId!] = UserChange.Newest(e.Change, other);
    }

    // A consumer that an earlier build made may deliver the whole stream (Durable.Fitting).
    private bool IsSkipped(in SyncEvent e) =>
        !SubjectPattern.Covers(options.Subject, e.Message.Subject) || options.SkipOrigin is { } own && e.Message.Headers.Find(EventHeaders.Origin) == own;

    private static bool IsHeld(SyncBatch batch, in SyncEvent e, ParkingLot lot)
    {
        if (batch.Parked.Contains(e.Message))
            return true;
        // Whose it is costs a look at its headers, which matters only while somebody is in trouble.
        if (lot.Count == 0 || !lot.TryHold(Unacknowledged(e)))
            return false;
        batch.Parked.Add(e.Message);
        return true;
    }

    // The whole batch is acknowledged at its end.
    private static EventContext Unacknowledged(in SyncEvent e) => new(e.Message, acknowledges: false);

    private static void Park(SyncBatch batch, in SyncEvent e, string reason, TimeSpan? delay, ParkingLot lot)
    {
        batch.Parked.Add(e.Message);
        lot.Park(Unacknowledged(e), reason, attempts: 1, delay);
    }

    // The database's own objection to a row (too long for the application's column, an address that must be unique)
    // is found by halving, and stops that user alone. What takes too long is halved too. Everything else is the
    // database's trouble: try again.
    private async Task ApplyAsync(SyncBatch batch, ArraySegment<UserChange> changes, ParkingLot lot, CancellationToken ct)
    {
        while (changes.Count > 0)
        {
            try
            {
                await ApplyAsync([.. changes], ct);
                return;
            }
            catch (PostgresException e) when (IsObjection(e) && changes.Count == 1)
            {
                await ApplyOneByOneAsync(batch, changes[0].Data.UserId!, lot, ct);
                return;
            }
            catch (NpgsqlException e) when (e is PostgresException p && IsObjection(p) || IsTooSlow(e))
            {
                await ApplyAsync(batch, changes[..(changes.Count / 2)], lot, ct);
                changes = changes[(changes.Count / 2)..];
            }
        }
    }

    // Of one user's events, which came to something that the table refuses: the first that it refuses, and those before
    // it that it takes.
    private async Task ApplyOneByOneAsync(SyncBatch batch, string userId, ParkingLot lot, CancellationToken ct)
    {
        foreach (var e in batch.Events.Take(batch.Seen))
        {
            if (e.Fault is not null || e.Change.Data.UserId != userId || batch.Parked.Contains(e.Message) || IsSkipped(e) || IsHeld(batch, e, lot))
                continue;
            try
            {
                await ApplyAsync([e.Change], ct);
            }
            catch (PostgresException refusal) when (IsObjection(refusal))
            {
                Park(batch, e, Refused(refusal), options.MaxDeliver > 1 ? options.Backoff : null, lot);
            }
        }
    }

    private async Task ApplyAsync(List<UserChange> changes, CancellationToken ct)
    {
        var backoff = new Backoff(options.RetryDelayMin, options.RetryDelayMax);
        while (true)
        {
            try
            {
                await _users.ApplyAsync(changes, ct);
                return;
            }
            catch (Exception e) when (e is NpgsqlException or IOException or TimeoutException && !(e is PostgresException p && IsObjection(p)) && !(changes.Count > 1 && IsTooSlow(e)))
            {
                var delay = backoff.Next();
                Logger.TargetFailed(e.Message, delay);
                await Task.Delay(delay, ct);
            }
        }
    }

    private async Task HandleParkedAsync(EventContext context, Func<NpgsqlTransaction?, CancellationToken, Task> resolve, CancellationToken ct)
    {
        if (!UserChange.TryParse(context.Payload.Span, (ulong)context.Sequence, DateTimeOffset.UtcNow, out var change, out var fault))
            throw new EventRefusedException(fault);
        try
        {
            await ApplyAsync([change], ct);
        }
        catch (PostgresException refusal) when (IsObjection(refusal))
        {
            throw new EventRefusedException(Refused(refusal), isLasting: false);
        }
    }

    // Classes 21, 22 and 23, the data's fault; 44, a view's check option; 54, too large for an index; P0, raised by a trigger.
    private static bool IsObjection(PostgresException e) => e.SqlState[..2] is "21" or "22" or "23" or "44" or "54" or "P0";

    // A table with slow triggers takes half of them in the time that it has, or one.
    private static bool IsTooSlow(Exception e) => e is PostgresException { SqlState: PostgresErrorCodes.QueryCanceled } or NpgsqlException { InnerException: TimeoutException };

    private static string Refused(PostgresException e) => $"the users table refuses it: {e.MessageText} ({e.SqlState})";
}
