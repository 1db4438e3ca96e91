using System.Data;
using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Npgsql;
using NpgsqlTypes;
using Watchword.Events.Contracts;
using Watchword.Nats;

namespace Watchword.Events.Outbox;

/// <summary>What an audit found.</summary>
/// <param name="Compared">Rows that were held against the stream.</param>
/// <param name="Lost">Acknowledged once and gone; their rows wait to be published again.</param>
/// <param name="Corrected">There, but at another sequence than their rows said.</param>
internal sealed record AuditResult(long Compared, long Lost, long Corrected);

/// <summary>A stream that was there when the relay began is there no longer: it begins anew, and makes it.</summary>
internal sealed class StreamGoneException(string stream) : NatsException($"stream {stream} is gone", isTransient: true);

/// <summary>
/// Compares the outbox with the streams, and sets back what an acknowledged publish lost: a power cut, a restored
/// backup, a deleted or wiped stream. It publishes nothing: the next sweep does, in order.
/// </summary>
/// <remarks>
/// What lies before a stream's first message was discarded by its limits, or purged, and is not lost. A row that is set
/// back keeps its old sequence, which shows the relay that it is published again.
/// </remarks>
internal sealed class StreamAudit(NpgsqlDataSource database, JetStream jetStream, RelayOptions options, ILogger logger)
{
    // Rows become visible out of order: the highest sequence is looked for among so many of the newest positions.
    private const int NewestRows = 20_000;

    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    /// <summary>The streams that the relay publishes to.</summary>
    public static IReadOnlyList<StreamConfig> Audited { get; } = [Streams.AuthEvents, Streams.IdentityChanges];

    /// <summary>
    /// The end of a stream; where it was cut off, the whole of it. And what lies behind it: stored, and not marked.
    /// Before anything newer is published.
    /// </summary>
    public async Task CheckEndAsync(StreamConfig stream, CancellationToken ct)
    {
        if (!await EndStandsAsync(stream, ct))
            await RunAsync(stream, ct);
        await MarkStoredAsync(stream, ct);
    }

    /// <summary>A whole stream.</summary>
    /// <exception cref="StreamGoneException">There is no such stream.</exception>
    /// <exception cref="NatsException">The server does not answer.</exception>
    /// <exception cref="NpgsqlException">The database does not answer.</exception>
    public async Task<AuditResult> RunAsync(StreamConfig stream, CancellationToken ct)
    {
        var since = Stopwatch.GetTimestamp();
        await using var connection = await database.OpenConnectionAsync(ct);
        await ExecuteAsync(connection, "SET work_mem = '64MB'; CREATE TEMPORARY TABLE seen (seq bigint NOT NULL, id uuid)", ct);
        try
        {
            // In this order: what was marked before this moment was acknowledged before the stream is looked at.
            var now = await NowAsync(connection, ct);
            var before = await FindAsync(stream, ct);
            await CopyIdsAsync(connection, before, ct);
            // What the limits discarded meanwhile is not lost either.
            var after = await FindAsync(stream, ct);
            if (after.Created != before.Created || after.State.LastSequence < before.State.LastSequence)
                throw new NatsException($"stream {stream.Name} was replaced while it was audited", isTransient: true);
            await ExecuteAsync(connection, "ANALYZE pg_temp.seen", ct);
            var result = await CompareAsync(connection, now, after, before.State.LastSequence, ct);
            await ReportAsync(stream.Name, full: true, since, result, ct);
            return result;
        }
        finally
        {
            // A broken connection takes it with it.
            if (connection.State == ConnectionState.Open)
                await ExecuteAsync(connection, "DROP TABLE IF EXISTS pg_temp.seen; RESET work_mem", CancellationToken.None);
        }
    }

    private async Task<bool> EndStandsAsync(StreamConfig stream, CancellationToken ct)
    {
        var since = Stopwatch.GetTimestamp();
        var found = await FindAsync(stream, ct);
        if (await NewestMarkAsync(found, ct) is not var (id, sequence))
            return true;   // nothing was published that it should still have
        var state = found.State;
        if (sequence >= state.FirstSequence
            && (sequence > state.LastSequence || (await jetStream.GetMessageAsync(stream.Name, sequence, ct))?.Headers?[EventHeaders.MessageId] != id))
        {
            logger.StreamEndMissing(stream.Name, id, sequence);
            return false;
        }
        await ReportAsync(stream.Name, full: false, since, new(1, 0, 0), ct);
        return true;
    }

    // The stream may have stored what nobody lived to mark: a process that was killed, a database that lost its last
    // commits. It forgets their ids after its duplicate window, and published again they would be stored again.
    private async Task MarkStoredAsync(StreamConfig stream, CancellationToken ct)
    {
        var found = await FindAsync(stream, ct);
        var state = found.State;
        var next = Math.Max(state.FirstSequence, (await NewestMarkAsync(found, ct))?.Sequence + 1 ?? 1);
        if (next > state.LastSequence)
            return;
        List<long> positions = [], sequences = [];
        List<Guid> ids = [];
        await using var messages = await jetStream.OrderedConsumeAsync(stream.Name,
            new() { HeadersOnly = true, DeliverPolicy = DeliverPolicy.ByStartSequence, StartSequence = next, Consume = new() { MaxMessages = 10_000 } }, ct);
        for (var last = next - 1; last < state.LastSequence && !messages.IsCaughtUp && await messages.WaitToReadAsync(ct);)
        {
            while (last < state.LastSequence && messages.TryRead(out var message))
            {
                using (message)
                {
                    last = message.StreamSequence;
                    if (message.Headers is not { } headers || !Guid.TryParse(headers[EventHeaders.MessageId], out var id)
                        || !long.TryParse(headers[EventHeaders.Version], NumberStyles.None, CultureInfo.InvariantCulture, out var position))
                        continue;   // somebody else's
                    positions.Add(position);
                    sequences.Add((long)last);
                    ids.Add(id);
                }
            }
        }
        await using var mark = database.CreateCommand("""
            UPDATE watchword.outbox o SET published_at = clock_timestamp(), stream_seq = s.sequence
            FROM (SELECT position, id, min(sequence) AS sequence FROM unnest($1, $2, $3) AS a (position, id, sequence) GROUP BY position, id) AS s
            WHERE o.position = s.position AND o.id = s.id AND o.published_at IS NULL
            """);
        mark.Parameters.Add(new() { Value = positions });
        mark.Parameters.Add(new() { Value = ids });
        mark.Parameters.Add(new() { Value = sequences });
        if (await mark.ExecuteNonQueryAsync(ct) is > 0 and var marked)
            logger.StoredEventsMarked(stream.Name, marked);
    }

    // The highest sequence that a row names, and whose it is. Of rows that are older than the stream's messages can be,
    // the sequence may be one of an earlier life of the stream's: no audit sets it right any more.
    private async Task<(string Id, ulong Sequence)?> NewestMarkAsync(StreamInfo stream, CancellationToken ct)
    {
        await using var command = database.CreateCommand("""
            SELECT id, stream_seq FROM (
              SELECT id, stream_seq FROM watchword.outbox
              WHERE published_at > clock_timestamp() - $3 AND stream_seq IS NOT NULL AND (subject LIKE 'auth.user.%') = $1
              ORDER BY position DESC LIMIT $2) newest
            ORDER BY stream_seq DESC LIMIT 1
            """);
        command.Parameters.Add(new() { Value = stream.Config.Name == Streams.AuthEvents.Name });
        command.Parameters.Add(new() { Value = NewestRows });
        command.Parameters.Add(new() { Value = Kept(stream) });
        await using var reader = await command.ExecuteReaderAsync(ct);
        return await reader.ReadAsync(ct) ? (reader.GetGuid(0).ToString(), (ulong)reader.GetInt64(1)) : null;
    }

    // Not made here: whoever makes it has to see that nothing new passes what it held.
    private async Task<StreamInfo> FindAsync(StreamConfig stream, CancellationToken ct) =>
        await jetStream.FindStreamAsync(stream.Name, ct) ?? throw new StreamGoneException(stream.Name);

    // Which id stands at which sequence; a foreign message has its sequence and no id.
    private async Task CopyIdsAsync(NpgsqlConnection connection, StreamInfo stream, CancellationToken ct)
    {
        if (stream.State.Messages == 0)
            return;
        await using var copy = await connection.BeginBinaryImportAsync("COPY pg_temp.seen (seq, id) FROM STDIN (FORMAT binary)", ct);
        copy.Timeout = Patience;
        await using var messages = await jetStream.OrderedConsumeAsync(
            stream.Config.Name, new() { HeadersOnly = true, Consume = new() { MaxMessages = 10_000 } }, ct);
        for (var last = 0UL; last < stream.State.LastSequence && !messages.IsCaughtUp && await messages.WaitToReadAsync(ct);)
        {
            while (last < stream.State.LastSequence && messages.TryRead(out var message))
            {
                using (message)
                {
                    last = message.StreamSequence;
                    await copy.StartRowAsync(ct);
                    await copy.WriteAsync((long)last, NpgsqlDbType.Bigint, ct);
                    if (message.Headers is { } headers && headers.TryGetUtf8(EventHeaders.MessageId, out var text) && Guid.TryParse(text, out var id))
                        await copy.WriteAsync(id, NpgsqlDbType.Uuid, ct);
                    else
                        await copy.WriteNullAsync(ct);
                }
            }
        }
        await copy.CompleteAsync(ct);
    }

    private async Task<AuditResult> CompareAsync(NpgsqlConnection connection, DateTime now, StreamInfo stream, ulong last, CancellationToken ct)
    {
        // Rows whose place in the stream holds nothing, or something else; $5: holes count only in rows older than it.
        const string Rows = """
            watchword.outbox o LEFT JOIN pg_temp.seen s ON s.seq = o.stream_seq
            WHERE o.published_at < $1 AND o.published_at > $2 AND o.stream_seq >= $3 AND (o.subject LIKE 'auth.user.%') = $4
            """;
        const string Gone = "s.id IS DISTINCT FROM o.id AND (s.seq IS NOT NULL OR o.stream_seq > $6 OR o.published_at < $5)";
        // A stream that discards in its middle has holes of its own. In any other one, an id that was stored within the
        // duplicate window is remembered longer than its message: published again now, it would be dropped.
        var holesBefore = stream.Config is { MaxMessagesPerSubject: <= 0, Retention: StreamRetention.Limits }
            ? now - (stream.Config.DuplicateWindow ?? TimeSpan.FromMinutes(2)) : DateTime.MinValue;
        object[] values = [now, now - Kept(stream), (long)stream.State.FirstSequence, stream.Config.Name == Streams.AuthEvents.Name, holesBefore, (long)last];

        var (compared, gone) = await CountAsync($"SELECT count(*), count(*) FILTER (WHERE {Gone}) FROM {Rows}");
        if (gone == 0)
            return new(compared, 0, 0);
        var (lost, corrected) = await CountAsync($"""
            WITH gone AS MATERIALIZED (
              SELECT o.position, o.occurred_at, o.id, o.stream_seq, o.published_at FROM {Rows} AND {Gone}),
            elsewhere AS (
              SELECT g.position, max(e.seq) AS seq FROM gone g JOIN pg_temp.seen e ON e.id = g.id GROUP BY g.position),
            changed AS (
              UPDATE watchword.outbox o
              SET published_at = CASE WHEN e.seq IS NOT NULL THEN o.published_at END, stream_seq = coalesce(e.seq, o.stream_seq)
              FROM gone g LEFT JOIN elsewhere e ON e.position = g.position
              WHERE o.position = g.position AND o.occurred_at = g.occurred_at
                AND o.stream_seq = g.stream_seq AND o.published_at = g.published_at
              RETURNING e.seq IS NULL AS lost)
            SELECT count(*) FILTER (WHERE lost), count(*) FILTER (WHERE NOT lost) FROM changed
            """);
        return new(compared, lost, corrected);

        async Task<(long, long)> CountAsync(string sql)
        {
            await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = (int)Patience.TotalSeconds };
            foreach (var value in values)
                command.Parameters.Add(new() { Value = value });
            await using var reader = await command.ExecuteReaderAsync(ct);
            await reader.ReadAsync(ct);
            return (reader.GetInt64(0), reader.GetInt64(1));
        }
    }

    private async Task ReportAsync(string stream, bool full, long since, AuditResult result, CancellationToken ct)
    {
        var took = Stopwatch.GetElapsedTime(since);
        EventMetrics.Audited(stream, took, result);
        if (result.Lost > 0)
            logger.EventsLost(stream, result.Lost, result.Compared);
        if (result.Corrected > 0)
            logger.SequencesCorrected(stream, result.Corrected);
        if (result is { Lost: 0, Corrected: 0 })
            logger.StreamAudited(stream, result.Compared, (long)took.TotalMilliseconds);
        await using var command = database.CreateCommand("""
            INSERT INTO watchword.stream_audit (stream, "full", at, took, compared, lost, corrected)
            VALUES ($1, $2, clock_timestamp(), $3, $4, $5, $6)
            ON CONFLICT (stream, "full") DO UPDATE
              SET at = EXCLUDED.at, took = EXCLUDED.took, compared = EXCLUDED.compared, lost = EXCLUDED.lost, corrected = EXCLUDED.corrected
            """);
        foreach (var value in (object[])[stream, full, took, result.Compared, result.Lost, result.Corrected])
            command.Parameters.Add(new() { Value = value });
        await command.ExecuteNonQueryAsync(ct);
    }

    // How old a row may be to be held against the stream.
    private TimeSpan Kept(StreamInfo stream) =>
        stream.Config.MaxAge > TimeSpan.Zero && stream.Config.MaxAge < options.Retention ? stream.Config.MaxAge : options.Retention;

    private static async Task<DateTime> NowAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("SELECT clock_timestamp()", connection);
        return (DateTime)(await command.ExecuteScalarAsync(ct))!;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand(sql, connection);
        await command.ExecuteNonQueryAsync(ct);
    }
}
