using System.Data;
using System.Diagnostics;
using Microsoft.Extensions.Logging;
using NATS.Client.Core;
using NATS.Client.JetStream.Models;
using Npgsql;
using NpgsqlTypes;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;

namespace Watchword.Events.Outbox;

/// <summary>
/// Compares the outbox with a stream, and marks rows as unpublished whose events the stream acknowledged and lost: by a
/// power cut, a restored backup, a deletion. It publishes nothing: the next sweep does, in order.
/// </summary>
/// <remarks>
/// What lies before the stream's first message was discarded by its limits, or purged, and is not lost. A row that is set
/// back keeps its old sequence, which tells the relay that it is published again.
/// </remarks>
internal sealed class StreamAudit(NpgsqlDataSource database, JetStreamClient jetStream, RelayOptions options, ILogger logger)
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(10);

    /// <summary>The streams that the relay publishes to.</summary>
    public static IReadOnlyList<StreamConfig> Audited { get; } = [Streams.AuthEvents, Streams.IdentityChanges];

    /// <summary>Audits the whole stream.</summary>
    /// <exception cref="StreamGoneException">There is no such stream.</exception>
    /// <exception cref="NatsException">The server does not answer.</exception>
    /// <exception cref="NpgsqlException">The database does not answer.</exception>
    public async Task<AuditResult> RunAsync(string stream, CancellationToken ct)
    {
        var since = Stopwatch.GetTimestamp();
        await using var connection = await database.OpenConnectionAsync(ct);
        await ExecuteAsync(connection, "SET work_mem = '64MB'; CREATE TEMPORARY TABLE seen (seq bigint NOT NULL, id uuid)", ct);
        try
        {
            // In this order: rows marked before this moment were acknowledged before the stream is read.
            var now = await NowAsync(connection, ct);
            var before = await FindAsync(stream, ct);
            await CopyIdsAsync(connection, before, ct);
            // What the limits discard meanwhile is not lost.
            var after = await FindAsync(stream, ct);
            if (after.Created != before.Created || after.State.LastSeq < before.State.LastSeq)
                throw new NatsException($"stream {stream} was replaced while it was audited");
            await ExecuteAsync(connection, "ANALYZE pg_temp.seen", ct);
            var result = await CompareAsync(connection, now, after, before.State.LastSeq, ct);
            await ReportAsync(stream, full: true, since, result, ct);
            return result;
        }
        finally
        {
            // A broken connection drops the table by itself.
            if (connection.State == ConnectionState.Open)
                await ExecuteAsync(connection, "DROP TABLE IF EXISTS pg_temp.seen; RESET work_mem", CancellationToken.None);
        }
    }

    /// <summary>The stream. It is not made here: whoever makes it must first publish again what it held.</summary>
    internal async Task<StreamInfo> FindAsync(string stream, CancellationToken ct) =>
        await jetStream.FindStreamAsync(stream, ct) ?? throw new StreamGoneException(stream);

    // The id at each sequence; null for a foreign publisher's message.
    private async Task CopyIdsAsync(NpgsqlConnection connection, StreamInfo stream, CancellationToken ct)
    {
        if (stream.State.Messages == 0)
            return;
        await using var copy = await connection.BeginBinaryImportAsync("COPY pg_temp.seen (seq, id) FROM STDIN (FORMAT binary)", ct);
        copy.Timeout = Patience;
        await foreach (var message in StoredMessages.ReadToEndAsync(jetStream, stream.Config.Name!, new() { HeadersOnly = true }, ct))
        {
            await copy.StartRowAsync(ct);
            await copy.WriteAsync((long)message.Sequence, NpgsqlDbType.Bigint, ct);
            if (Guid.TryParse(message.Headers.Find(EventHeaders.MessageId), out var id))
                await copy.WriteAsync(id, NpgsqlDbType.Uuid, ct);
            else
                await copy.WriteNullAsync(ct);
            if (message.Sequence >= stream.State.LastSeq)
                break;
        }
        await copy.CompleteAsync(ct);
    }

    private async Task<AuditResult> CompareAsync(NpgsqlConnection connection, DateTime now, StreamInfo stream, ulong last, CancellationToken ct)
    {
        // Rows at whose sequence the stream holds nothing, or another event. Holes count only for rows older than $5.
        const string Rows = """
            watchword.outbox o LEFT JOIN pg_temp.seen s ON s.seq = o.stream_seq
            WHERE o.published_at < $1 AND o.published_at > $2 AND o.stream_seq >= $3 AND o.stream = $4
            """;
        const string Gone = "s.id IS DISTINCT FROM o.id AND (s.seq IS NOT NULL OR o.stream_seq > $6 OR o.published_at < $5)";
        // A stream that discards in its middle has holes of its own. In any other stream a lost message's id is remembered
        // for the duplicate window: published again before that has passed, the event would be dropped.
        var holesBefore = stream.Config is { MaxMsgsPerSubject: <= 0, Retention: StreamConfigRetention.Limits }
            ? now - stream.Config.DuplicateWindow : DateTime.MinValue;
        object[] values = [now, now - Kept(stream), (long)stream.State.FirstSeq, stream.Config.Name!, holesBefore, (long)last];

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

    /// <summary>Logs and stores the result.</summary>
    internal async Task ReportAsync(string stream, bool full, long since, AuditResult result, CancellationToken ct)
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

    /// <summary>The greatest age of rows that are compared with the stream.</summary>
    internal TimeSpan Kept(StreamInfo stream) =>
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
