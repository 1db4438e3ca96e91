using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Npgsql;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;
using Watchword.Events.Postgres;
using Watchword.Events.Replay;
using Watchword.Events.Subscribing;

namespace Watchword.UserSync;

/// <summary>
/// Keeps a users table in step with <c>user.sync</c>: reads what is there, collapses it to the newest state of each user,
/// writes that in one transaction, then acknowledges. A state that cannot be stored is parked, until a newer one of its
/// user supersedes it.
/// </summary>
public sealed class UserSyncWorker(NpgsqlDataSource target, JetStreamClient jetStream, UserSyncOptions options, ILogger<UserSyncWorker> logger)
    : LeasedConsumer(options.Durable, target, jetStream, logger)
{
    private static readonly TimeSpan FlushPatience = TimeSpan.FromSeconds(2);

    private readonly TargetUsers _users = new(target);
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private UserWriter _writer = null!;   // of the present lease
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
        using var writer = _writer = new(_users, new(Database, _users), options, Logger);
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(ct);
        using var gate = new WorkGate();   // its own: nothing here kills a process
        var parking = new ParkingService(Database, Name, new() { MaxDeliver = options.MaxDeliver, Backoff = options.Backoff }, JetStream, gate, HandleParkedAsync, Logger);
        await parking.LoadAsync(lease, ct);
        List<Task> work =
        [
            ReadAsync(parking, stop.Token),
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

    private async Task ReadAsync(ParkingService parking, CancellationToken ct)
    {
        var durable = new Durable(options.Stream, options.Consumer(), JetStream, Logger);
        await durable.WaitForStreamAsync(static () => { }, ct);
        await durable.EnsureAsync(ct);
        var acks = new BatchAcks(durable, JetStream);
        await acks.AskAsync(ct);
        await using var messages = await DurableMessages.OpenAsync(JetStream, options.Stream, Name, options.BatchSize * 2, ct);
        Logger.SyncReads(options.Stream, Name);
        _ready.TrySetResult();
        await ReadAsync(messages.Reader, acks, parking, ct);
    }

    // While the database works at one batch the next is read and parsed. It is applied when the first is acknowledged,
    // so that the order of the stream holds.
    private async Task ReadAsync(ChannelReader<Delivery> messages, BatchAcks acks, ParkingService parking, CancellationToken ct)
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
                working = HandleAsync(current, acks, parking, ct);
            }
        }
        finally
        {
            await working.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task HandleAsync(SyncBatch batch, BatchAcks acks, ParkingService parking, CancellationToken ct)
    {
        foreach (var e in batch.Events)
            Collapse(batch, e, parking.Lot);
        var (refused, freed) = await _writer.StoreAsync(batch.Newest.Values.ToArray(), ct);
        foreach (var (change, why) in refused)
            Park(batch, change, why, parking.Lot);
        if (batch.HasParked)
            await parking.Lot.FlushAsync(ct);
        if (parking.Lot.Count > 0)
            await SupersedeAsync(batch, refused, freed, parking, ct);

        // Only now: an event that is acknowledged before its commit is lost when the process dies in between.
        await acks.CommittedAsync(batch.Events.Select(e => e.Message), ct);
        Interlocked.Add(ref _applied, batch.Events.Count);
        Logger.UsersSynced(batch.Events.Count, batch.Newest.Count);
        batch.Clear();
    }

    private async Task SupersedeAsync(
        SyncBatch batch, List<(UserChange Change, Refusal Why)> refused, IReadOnlyList<UserChange> freed, ParkingService parking, CancellationToken ct)
    {
        var stored = batch.Newest.ToDictionary(n => n.Key, n => (UserChange?)n.Value);
        foreach (var change in freed)
            stored[change.Data.UserId!] = change;
        foreach (var (change, _) in refused)
            stored[change.Data.UserId!] = await StoreEarlierAsync(batch, change, ct);
        await ParkedStates.SupersedeAsync(parking, stored, ct);
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
        if (IsSkipped(e))
            return;
        if (e.Fault is not null)
            SetAside(batch, e, lot);
        else if (!batch.Newest.TryGetValue(e.Change.Data.UserId!, out var other))
            batch.Newest.Add(e.Change.Data.UserId!, e.Change);
        else
            batch.Newest[e.Change.Data.UserId!] = UserChange.Newest(e.Change, other);
    }

    // A consumer that an earlier build made may deliver the whole stream (Durable.Fitting).
    private bool IsSkipped(in SyncEvent e) =>
        !SubjectPattern.Covers(options.Subject, e.Message.Subject) || options.SkipOrigin is { } own && e.Message.Headers.Find(EventHeaders.Origin) == own;

    // What it would have changed is unknown: nobody waits behind it, and nothing that can be read supersedes it.
    private static void SetAside(SyncBatch batch, in SyncEvent e, ParkingLot lot)
    {
        var context = Unacknowledged(e);
        batch.HasParked = true;
        lot.Park(context.In(context.OwnQueue), e.Fault!, attempts: 1, delay: null);
    }

    private void Park(SyncBatch batch, UserChange change, Refusal why, ParkingLot lot)
    {
        var context = Unacknowledged(EventsOf(batch, change.Data.UserId!).First(e => (e.Change.Version, e.Change.Tie) == (change.Version, change.Tie)));
        batch.HasParked = true;
        lot.Park(
            context.In(EventContext.QueueOf(change.Data.UserId!)), why.Reason, attempts: why.Waits ? 0 : 1,
            why.Waits ? _writer.AddressDelay : options.MaxDeliver > 1 ? options.Backoff : null);
    }

    // Of the user's states in the batch that came before the refused one, the last that the table takes: as if they had
    // come in batches of their own.
    private async Task<UserChange?> StoreEarlierAsync(SyncBatch batch, UserChange refused, CancellationToken ct)
    {
        foreach (var e in EventsOf(batch, refused.Data.UserId!).OrderByDescending(e => (e.Change.Version, e.Change.Tie)))
            if (refused.IsNewerThan(e.Change) && await _writer.TryStoreAsync(e.Change, ct))
                return e.Change;
        return null;
    }

    private IEnumerable<SyncEvent> EventsOf(SyncBatch batch, string userId) =>
        batch.Events.Where(e => e.Fault is null && e.Change.Data.UserId == userId && !IsSkipped(e));

    // The whole batch is acknowledged at its end.
    private static EventContext Unacknowledged(in SyncEvent e) => new(e.Message, acknowledges: false);

    private async Task<ParkedOutcome> HandleParkedAsync(EventContext context, Func<NpgsqlTransaction?, CancellationToken, Task> resolve, CancellationToken ct)
    {
        if (!UserChange.TryParse(context.Payload.Span, (ulong)context.Sequence, DateTimeOffset.UtcNow, out var change, out var fault))
            throw new EventRefusedException(fault);
        if (await _writer.NewerAsync(change, ct) is { } newer)
            return new(SupersededBy: $"version {newer}");
        return await _writer.StoreAsync(change, ct) switch
        {
            null => ParkedOutcome.Handled,
            { Waits: true } taken => new(Waits: taken.Reason, Delay: _writer.AddressDelay),
            { } refusal => throw new EventRefusedException(refusal.Reason, isLasting: false),
        };
    }
}
