using System.Text.Json;
using Microsoft.Extensions.Logging;
using Npgsql;
using Watchword.Events;
using Watchword.Events.Postgres;
using Watchword.Nats;

namespace Watchword.UserSync;

/// <summary>
/// Keeps a users table in step with <c>user.sync</c>: reads what is there, collapses it to the newest state of each
/// user, writes that in one transaction, then acknowledges.
/// </summary>
public sealed class UserSyncWorker(
    NpgsqlDataSource target, NatsConnection nats, JetStream jetStream, UserSyncOptions options, ILogger<UserSyncWorker> logger)
    : BackgroundLoop(logger)
{
    private static readonly TimeSpan StreamPoll = TimeSpan.FromMilliseconds(250);
    private readonly TargetUsers _users = new(target);
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _applied;

    /// <summary>Done when the table is there and events are being read, for the first time.</summary>
    public Task Ready => _ready.Task;

    /// <summary>Events that this process has applied and acknowledged since it started.</summary>
    public long AppliedTotal => Interlocked.Read(ref _applied);

    /// <inheritdoc/>
    protected override TimeSpan RetryDelayMin => options.RetryDelayMin;

    /// <inheritdoc/>
    protected override TimeSpan RetryDelayMax => options.RetryDelayMax;

    /// <inheritdoc/>
    protected override bool IsExpected(Exception e) => e is UserSyncException || base.IsExpected(e);

    /// <inheritdoc/>
    protected override async Task RunAsync(CancellationToken ct)
    {
        await MigrationRunner.ApplyAsync(target, UserSyncSchema.Migrations, logger, ct);
        await _users.CheckAsync(ct);
        await nats.WaitUntilOpenAsync(ct);
        await EnsureConsumerAsync(ct);
        await using var consumer = await jetStream.ConsumeAsync(options.Stream, options.Durable, new() { MaxMessages = options.BatchSize * 2 }, ct);
        logger.SyncReads(options.Stream, options.Durable);
        _ready.TrySetResult();
        await ReadAsync(consumer, ct);
    }

    // The publisher may not have made its stream yet: wait for it instead of failing.
    private async Task EnsureConsumerAsync(CancellationToken ct)
    {
        while (await jetStream.FindStreamAsync(options.Stream, ct) is null)
            await Task.Delay(StreamPoll, ct);
        if (await jetStream.FindConsumerAsync(options.Stream, options.Durable, ct) is not null)
            return;
        await jetStream.CreateConsumerAsync(options.Stream, new()
        {
            DurableName = options.Durable,
            Description = "Keeps a users table in step",
            FilterSubject = options.Subject,
            DeliverPolicy = DeliverPolicy.All,
            AckPolicy = AckPolicy.Explicit,
            AckWait = options.AckWait,
            MaxAckPending = options.BatchSize * 4,
            // A database that is away for an hour must not use up the deliveries: what cannot be applied is set aside here.
            MaxDeliver = -1,
        }, ct);
    }

    // While the database works at one batch the next is read and parsed. It is applied when the first is acknowledged,
    // so that the order of the stream holds.
    private async Task ReadAsync(PullConsumer consumer, CancellationToken ct)
    {
        SyncBatch next = new(), current = new();
        var working = Task.CompletedTask;
        try
        {
            while (true)
            {
                var readable = consumer.WaitToReadAsync(ct).AsTask();
                if (await Task.WhenAny(readable, working) == working)
                    await working;   // what failed must not wait for the next event to be noticed
                if (!await readable)
                    break;
                Fill(next, consumer);
                await working;
                Fill(next, consumer);
                (current, next) = (next, current);
                working = HandleAsync(current, ct);
            }
        }
        finally
        {
            await working.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private async Task HandleAsync(SyncBatch batch, CancellationToken ct)
    {
        await ApplyAsync(batch.Newest.Values.ToArray(), batch.DeadLetters, ct);

        // Only now: what was acknowledged before the commit would be lost by a crash between the two.
        try
        {
            foreach (var message in batch.Messages)
                await message.AckAsync(ct);
        }
        catch (NatsException e) when (e.IsTransient)
        {
            // They come again, and change nothing; what is read already must not wait for that.
            logger.AckFailed(e.Message);
        }
        Interlocked.Add(ref _applied, batch.Messages.Count);
        logger.UsersSynced(batch.Messages.Count, batch.Newest.Count);
        batch.Clear();
    }

    private void Fill(SyncBatch batch, PullConsumer consumer)
    {
        while (batch.Messages.Count < options.BatchSize && consumer.TryRead(out var message))
            Take(batch, message);
    }

    private void Take(SyncBatch batch, JetStreamMessage message)
    {
        batch.Messages.Add(message);
        if (!UserChange.TryParse(message.Payload.Span, message.StreamSequence, DateTimeOffset.UtcNow, out var change, out var fault))
            SetAside(batch.DeadLetters, message, null, fault);
        else if (!batch.Newest.TryGetValue(change.Data.UserId!, out var other))
            batch.Newest.Add(change.Data.UserId!, (change, message));
        else
            batch.Newest[change.Data.UserId!] = (UserChange.Newest(change, other.Change), change.IsNewerThan(other.Change) ? message : other.Message);
    }

    // The database's own objection to a row (too long for the application's column, an address that must be unique)
    // is found by halving, and stops that user alone. Everything else is the database's trouble: try again.
    private async Task ApplyAsync(ArraySegment<(UserChange Change, JetStreamMessage Message)> changes, List<DeadLetter> deadLetters, CancellationToken ct)
    {
        for (var delay = options.RetryDelayMin; ; delay = TimeSpan.FromTicks(Math.Min(delay.Ticks * 2, options.RetryDelayMax.Ticks)))
        {
            try
            {
                await _users.ApplyAsync(changes.Select(c => c.Change).ToList(), deadLetters, ct);
                return;
            }
            catch (PostgresException e) when (IsObjection(e) && changes.Count == 1)
            {
                SetAside(deadLetters, changes[0].Message, changes[0].Change.Data.UserId, $"the users table refuses it: {e.MessageText} ({e.SqlState})");
                changes = [];
            }
            catch (PostgresException e) when (IsObjection(e) && changes.Count > 1)
            {
                await ApplyAsync(changes[..(changes.Count / 2)], [], ct);
                changes = changes[(changes.Count / 2)..];
            }
            catch (Exception e) when (e is NpgsqlException or IOException or TimeoutException)
            {
                logger.TargetFailed(e.Message, delay);
                await Task.Delay(delay, ct);
            }
        }
    }

    // Class 22, data exception, and 23, integrity constraint violation.
    private static bool IsObjection(PostgresException e) =>
        e.SqlState.StartsWith("22", StringComparison.Ordinal) || e.SqlState.StartsWith("23", StringComparison.Ordinal);

    private void SetAside(List<DeadLetter> deadLetters, JetStreamMessage message, string? key, string reason)
    {
        logger.EventSetAside(message.Subject, (long)message.StreamSequence, reason);
        deadLetters.Add(new(options.Durable, message.Stream, (long)message.StreamSequence, message.Subject, key, reason,
            (int)message.Delivered, HeadersAsJson(message.Headers), message.Payload.ToArray()));
    }

    private static string? HeadersAsJson(NatsHeaders? headers) => headers is null
        ? null
        : "{" + string.Join(',', headers.GroupBy(h => h.Key, h => h.Value, StringComparer.Ordinal)
            .Select(g => Quote(g.Key) + ":" + Quote(string.Join(", ", g)))) + "}";

    private static string Quote(string text) => "\"" + JsonEncodedText.Encode(text.Replace("\0", "", StringComparison.Ordinal)) + "\"";
}
