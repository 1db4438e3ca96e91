using System.Runtime.CompilerServices;
using NATS.Client.Core;
using Npgsql;
using NpgsqlTypes;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;
using Watchword.Events.Outbox;

namespace Watchword.Events.Replay;

/// <summary>
/// Reads events again in the order of their stream: from the stream, and from the outbox what the stream no longer holds.
/// An instance serves one replay at a time.
/// </summary>
/// <param name="jetStream">Where the streams are.</param>
/// <param name="database">Where the outbox is; null: a range that needs it is refused.</param>
/// <param name="clock">Tells which times lie in the future; the system's clock by default.</param>
public sealed class EventReplay(JetStreamClient jetStream, NpgsqlDataSource? database, TimeProvider? clock = null)
{
    private long _position;

    /// <summary>The sequence that was read last, for showing progress.</summary>
    public ulong Position => (ulong)Interlocked.Read(ref _position);

    /// <summary>Checks a replay and fixes its range; no event is read yet.</summary>
    /// <exception cref="ReplayRefusedException">The range is empty, reversed or in the future, or the stream or type does not exist.</exception>
    public Task<ReplayPlan> PlanAsync(ReplayFilter filter, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(filter);
        return new ReplayPlanner(jetStream, database, clock ?? TimeProvider.System).PlanAsync(filter, ct);
    }

    /// <summary>Reads the events.</summary>
    public async IAsyncEnumerable<ReplayEvent> ReadAsync(ReplayPlan plan, [EnumeratorCancellation] CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(plan);
        if (plan.BeyondStream)
            await foreach (var e in FromOutboxAsync(plan, plan.From, Math.Min(plan.StreamFirst - 1, plan.To), ct))
                yield return e;
        var next = Math.Max(plan.From, plan.StreamFirst);
        if (next > plan.To)
            yield break;

        var began = false;
        // Filtered here and not by the server: a filter's gaps would hide what the stream drops while it is read.
        await foreach (var message in StoredMessages.ReadToEndAsync(jetStream, plan.Filter.Stream, Begin(plan, next), ct))
        {
            if (message.Sequence > next)
                await foreach (var e in DroppedAsync(plan, next, Math.Min(message.Sequence - 1, plan.To), began, ct))
                    yield return e;
            began = true;
            if (message.Sequence > plan.To)
                yield break;
            next = message.Sequence + 1;
            Interlocked.Exchange(ref _position, (long)message.Sequence);
            var read = ReplayEvent.Of(message);
            if (plan.Filter.Matches(read))
                yield return read;
        }
        if (next <= plan.To)
            await foreach (var e in DroppedAsync(plan, next, plan.To, began, ct))
                yield return e;
    }

    /// <summary>Counts the events and does nothing with them.</summary>
    /// <exception cref="ReplayRefusedException">There are none.</exception>
    public async Task<ReplayResult> CountAsync(ReplayPlan plan, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(plan);
        var tally = new ReplayTally(plan);
        await foreach (var e in ReadAsync(plan, ct))
            tally.Add(e);
        return tally.Result();
    }

    /// <summary>Writes each event as a line of JSON to a file, which appears when it is complete.</summary>
    /// <param name="plan">From <see cref="PlanAsync"/>.</param>
    /// <param name="path">An existing file is replaced; a new one is readable by its owner alone.</param>
    /// <param name="ct">Stops; no file is left behind.</param>
    /// <exception cref="ReplayRefusedException">There are no events, or no file can be written there.</exception>
    public Task<ReplayResult> ToFileAsync(ReplayPlan plan, string path, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(path);
        return ReplayFile.WriteAsync(ReplayFile.Resolve(path), plan.Id, file => ToStreamAsync(plan, file, ct));
    }

    /// <summary>Writes each event as a line of JSON.</summary>
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

    /// <summary>Publishes the events again, marked with <see cref="EventHeaders.Replay"/>.</summary>
    /// <param name="plan">From <see cref="PlanAsync"/>.</param>
    /// <param name="target">A subject, or a prefix such as <c>replay.&gt;</c> that is put before each event's own subject.</param>
    /// <param name="force">Also allows subjects of Watchword's own streams, whose readers would take the replay for new events.</param>
    /// <param name="ct">Stops; what has been published stays.</param>
    /// <exception cref="ReplayRefusedException">There are no events, or the target is not allowed; nothing was published.</exception>
    /// <exception cref="ReplayStoppedException">It ended early, perhaps by <paramref name="ct"/>; names the sequence to continue from.</exception>
    public async Task<ReplayResult> ToSubjectAsync(ReplayPlan plan, string target, bool force = false, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(plan);
        ArgumentNullException.ThrowIfNull(target);
        await SubjectTarget.CheckAsync(jetStream, target, force, ct);
        await using var subject = await SubjectTarget.OpenAsync(jetStream, plan.Id, target, ct);
        return await subject.RunAsync(ReadAsync(plan, ct), new ReplayTally(plan), ct);
    }

    // An event is stored after it happened: with a time alone, what was stored before that need not be read.
    private static ReadFrom Begin(ReplayPlan plan, ulong next) => new()
    {
        Sequence = next,
        StoredSince = plan.Filter is { Since: not null, FromSequence: null } ? plan.Filter.StoredSince : null,
    };

    /// <summary>The outbox's copies of events that the stream dropped after the plan was made.</summary>
    private async IAsyncEnumerable<ReplayEvent> DroppedAsync(ReplayPlan plan, ulong from, ulong to, bool began, [EnumeratorCancellation] CancellationToken ct)
    {
        var filter = plan.Filter;
        if (await jetStream.FindStreamAsync(filter.Stream, ct) is not { } stream || stream.State.FirstSeq <= from)
            yield break;   // a gap in the middle: somebody deleted those messages
        to = Math.Min(to, stream.State.FirstSeq - 1);
        if (database is null || !ReplayPlanner.HasOutbox(filter.Stream))
        {
            // A replay by time alone misses nothing that was stored before its time.
            if (!began && filter is { FromSequence: null, StoredSince: { } since } && stream.State.Messages > 0 && ReplayPlanner.FirstStored(stream.State) <= since)
                yield break;
            throw new NatsException($"stream {filter.Stream} dropped sequences {from} to {to} before they were read, and no outbox has them; it now begins at {stream.State.FirstSeq}");
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
        // Events have their times in milliseconds, rows in microseconds.
        command.Parameters.Add(new() { Value = (filter.Until?.UtcDateTime ?? DateTime.UtcNow.AddDays(1)) + TimeSpan.FromMilliseconds(1) });
        command.Parameters.Add(new() { Value = (object?)filter.User ?? DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text });
        await using var reader = await command.ExecuteReaderAsync(ct);
        var sequence = reader.GetOrdinal("stream_seq");
        while (await reader.ReadAsync(ct))
        {
            var row = OutboxRow.Read(reader) with { Republished = false };   // it has a sequence because it was published
            var headers = new NatsHeaders();
            row.WriteHeaders(headers, plan.Source, expectedLastId: null);
            var read = ReplayEvent.Of(filter.Stream, (ulong)reader.GetInt64(sequence), row.Subject, headers, row.Payload, new(row.OccurredAt), fromOutbox: true);
            Interlocked.Exchange(ref _position, (long)read.Sequence);
            if (filter.Matches(read))
                yield return read;
        }
    }
}
