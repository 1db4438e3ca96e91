using System.Runtime.CompilerServices;
using Npgsql;
using Watchword.Events.Contracts;
using Watchword.Events.Outbox;
using Watchword.Nats;

namespace Watchword.Events.Replay;

/// <summary>
/// Reads events again, in the order of their stream: from the outbox where the stream has let go of them, else from
/// the stream. For one replay at a time.
/// </summary>
/// <param name="nats">Where the streams are.</param>
/// <param name="database">Where the outbox is; null: what a stream no longer holds is refused.</param>
/// <param name="clock">Whose now is the bound of times; default the system's.</param>
public sealed class EventReplay(NatsConnection nats, NpgsqlDataSource? database, TimeProvider? clock = null)
{
    private readonly JetStream _jetStream = new(nats);
    private long _position;

    /// <summary>The sequence that was looked at last; for showing progress.</summary>
    public ulong Position => (ulong)Interlocked.Read(ref _position);

    /// <summary>Fixes the ends of a replay; nothing is read yet.</summary>
    /// <exception cref="ReplayRefusedException">The range is empty, reversed or in the future, or names what is not there.</exception>
    public Task<ReplayPlan> PlanAsync(ReplayFilter filter, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(filter);
        return new ReplayPlanner(_jetStream, database, clock ?? TimeProvider.System).PlanAsync(filter, ct);
    }

    /// <summary>The events, each valid until the next is asked for.</summary>
    public async IAsyncEnumerable<ReplayEvent> ReadAsync(ReplayPlan plan, [EnumeratorCancellation] CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(plan);
        if (plan.BeyondStream)
            await foreach (var e in FromOutboxAsync(plan, plan.From, Math.Min(plan.StreamFirst - 1, plan.To), ct))
                yield return e;
        var next = Math.Max(plan.From, plan.StreamFirst);
        if (next > plan.To)
            yield break;

        await using var messages = await _jetStream.OrderedConsumeAsync(plan.Filter.Stream, Begin(plan, next), ct);
        var began = false;
        while (!messages.IsCaughtUp && await messages.WaitToReadAsync(ct))
            while (messages.TryRead(out var message))
                using (message)
                {
                    // The stream may let go of its oldest while it is read. Behind a filter's own gaps that goes unseen.
                    if (message.StreamSequence > next && (!began || plan.ReadSubject is null))
                        await foreach (var e in DroppedAsync(plan, next, Math.Min(message.StreamSequence - 1, plan.To), began, ct))
                            yield return e;
                    began = true;
                    if (message.StreamSequence > plan.To)
                        yield break;
                    next = message.StreamSequence + 1;
                    Interlocked.Exchange(ref _position, (long)message.StreamSequence);
                    var read = ReplayEvent.Of(message);
                    if (plan.Filter.Matches(read))
                        yield return read;
                }
        if (next <= plan.To)
            await foreach (var e in DroppedAsync(plan, next, plan.To, began, ct))
                yield return e;
    }

    /// <summary>How many events there are, and where; nothing is done with them.</summary>
    /// <exception cref="ReplayRefusedException">There are none.</exception>
    public async Task<ReplayResult> CountAsync(ReplayPlan plan, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(plan);
        var tally = new ReplayTally(plan);
        await foreach (var e in ReadAsync(plan, ct))
            tally.Add(e);
        return tally.Result();
    }

    /// <summary>Writes a line of JSON for each; the file stands there when it is whole, and not before.</summary>
    /// <param name="plan">What.</param>
    /// <param name="path">Replaced if it is there; a new one is its owner's alone. A pipe or a device is written to.</param>
    /// <param name="ct">Stops; no file is left.</param>
    /// <exception cref="ReplayRefusedException">There are no events, or no file can be there; none is left.</exception>
    public Task<ReplayResult> ToFileAsync(ReplayPlan plan, string path, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(path);
        return ReplayFile.WriteAsync(ReplayFile.Resolve(path), plan.Id, file => ToStreamAsync(plan, file, ct), ct);
    }

    /// <summary>Writes a line of JSON for each.</summary>
    /// <exception cref="ReplayRefusedException">There are no events; nothing was written.</exception>
    public async Task<ReplayResult> ToStreamAsync(ReplayPlan plan, Stream stream, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(stream);
        var tally = new ReplayTally(plan);
        using var lines = new EventLines(stream);
        await foreach (var e in ReadAsync(plan, ct))
        {
            await lines.WriteAsync(e, ct);
            tally.Add(e);
        }
        await lines.FlushAsync(ct);
        return tally.Result();
    }

    /// <summary>Publishes them again, marked with <see cref="EventHeaders.Replay"/>.</summary>
    /// <param name="plan">What.</param>
    /// <param name="target">A subject, or a prefix such as <c>replay.&gt;</c> that is put before each event's own subject.</param>
    /// <param name="force">Also to subjects of Watchword's own streams, where everybody takes it for news.</param>
    /// <param name="ct">Stops; what has been published stays.</param>
    /// <exception cref="ReplayRefusedException">There are no events, or the target will not do; nothing was published.</exception>
    /// <exception cref="ReplayStoppedException">It stopped on the way, also by <paramref name="ct"/>; names the sequence to go on from.</exception>
    public async Task<ReplayResult> ToSubjectAsync(ReplayPlan plan, string target, bool force = false, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(target);
        await SubjectTarget.CheckAsync(_jetStream, target, force, ct);
        await using var subject = new SubjectTarget(nats, _jetStream, plan.Id, target);
        return await subject.RunAsync(ReadAsync(plan, ct), new ReplayTally(plan), ct);
    }

    /// <summary>
    /// Makes a durable consumer that begins there and goes on with what comes. What it delivers carries no mark: the
    /// messages are the stream's own.
    /// </summary>
    /// <exception cref="ReplayRefusedException">The consumer exists, or cannot express what was asked for; nothing was made.</exception>
    public Task<ReplayResult> ToConsumerAsync(ReplayPlan plan, string consumer, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(consumer);
        return ConsumerTarget.CreateAsync(_jetStream, plan, consumer, ct);
    }

    private static OrderedConsumerOptions Begin(ReplayPlan plan, ulong next)
    {
        // Published is after happened: whoever asks by time alone spares the reading of what was stored before.
        var byTime = plan.Filter is { Since: not null, FromSequence: null };
        return new()
        {
            FilterSubject = plan.ReadSubject,
            DeliverPolicy = byTime ? DeliverPolicy.ByStartTime : DeliverPolicy.ByStartSequence,
            StartTime = byTime ? plan.Filter.StoredSince : null,
            StartSequence = byTime ? null : next,
        };
    }

    private async IAsyncEnumerable<ReplayEvent> DroppedAsync(ReplayPlan plan, ulong from, ulong to, bool began, [EnumeratorCancellation] CancellationToken ct)
    {
        if (await _jetStream.FindStreamAsync(plan.Filter.Stream, ct) is not { } stream || stream.State.FirstSequence <= from)
            yield break;   // a gap within the stream: somebody deleted those
        to = Math.Min(to, stream.State.FirstSequence - 1);
        if (database is null || !ReplayPlanner.HasOutbox(plan.Filter.Stream))
        {
            // Whoever asks by time alone misses nothing that was stored before it.
            if (!began && plan.Filter is { FromSequence: null, StoredSince: { } since } && stream.State.Messages > 0 && stream.State.FirstTimestamp <= since)
                yield break;
            throw new NatsException($"Stream {plan.Filter.Stream} let go of sequences {from} to {to} before they were read, and no outbox is at hand that keeps them. What is left begins at {stream.State.FirstSequence}.", isTransient: false);
        }
        await foreach (var e in FromOutboxAsync(plan, from, to, ct))
            yield return e;
    }

    private async IAsyncEnumerable<ReplayEvent> FromOutboxAsync(ReplayPlan plan, ulong from, ulong to, [EnumeratorCancellation] CancellationToken ct)
    {
        var filter = plan.Filter;
        await using var command = database!.CreateCommand($"""
            SELECT {OutboxRow.Columns}, stream_seq FROM watchword.outbox
            WHERE published_at IS NOT NULL AND stream_seq BETWEEN $1 AND $2 AND stream = $3
              AND occurred_at >= $4 AND occurred_at < $5 AND ($6::text IS NULL OR key = $6)
            ORDER BY stream_seq
            """);
        command.CommandTimeout = 0;   // the caller sets the pace, and has a token
        command.Parameters.Add(new() { Value = (long)from });
        command.Parameters.Add(new() { Value = (long)to });
        command.Parameters.Add(new() { Value = filter.Stream });
        command.Parameters.Add(new() { Value = filter.Since?.UtcDateTime ?? DateTime.UnixEpoch });
        // Events give their times in milliseconds, rows in microseconds.
        command.Parameters.Add(new() { Value = (filter.Until?.UtcDateTime ?? DateTime.UtcNow.AddDays(1)) + TimeSpan.FromMilliseconds(1) });
        command.Parameters.Add(new() { Value = (object?)filter.User ?? DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Text });
        var headers = new NatsHeaders();
        await using var reader = await command.ExecuteReaderAsync(ct);
        var sequence = reader.GetOrdinal("stream_seq");
        while (await reader.ReadAsync(ct))
        {
            var row = OutboxRow.Read(reader) with { Republished = false };   // it has a sequence because it was published
            row.WriteHeaders(headers, plan.Source, expectedLastId: null);
            var read = ReplayEvent.Of(filter.Stream, (ulong)reader.GetInt64(sequence), row.Subject, headers, row.Payload, new(row.OccurredAt), fromOutbox: true);
            Interlocked.Exchange(ref _position, (long)read.Sequence);
            if (filter.Matches(read))
                yield return read;
        }
    }
}
