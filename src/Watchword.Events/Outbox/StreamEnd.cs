using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging;
using NATS.Client.JetStream.Models;
using Npgsql;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;

namespace Watchword.Events.Outbox;

/// <summary>Compares the end of a stream with the outbox, before anything is published: the newest event that is marked, and what the stream has behind it.</summary>
internal sealed class StreamEnd(NpgsqlDataSource database, JetStreamClient jetStream, StreamAudit audit, ILogger logger)
{
    /// <summary>
    /// Checks that the stream still holds the newest marked event, else audits the whole stream. Then marks the events behind
    /// it, which were stored and not marked.
    /// </summary>
    public async Task CheckAsync(string stream, CancellationToken ct)
    {
        if (!await EndStandsAsync(stream, ct))
            await audit.RunAsync(stream, ct);
        await MarkStoredAsync(stream, ct);
    }

    private async Task<bool> EndStandsAsync(string stream, CancellationToken ct)
    {
        var since = Stopwatch.GetTimestamp();
        var found = await audit.FindAsync(stream, ct);
        if (await NewestMarkAsync(found, ct) is not var (id, sequence))
            return true;   // nothing is marked that it should still hold
        var state = found.State;
        if (sequence >= state.FirstSeq
            && (sequence > state.LastSeq || (await StoredMessages.FindAsync(jetStream, stream, sequence, ct))?.Headers.Find(EventHeaders.MessageId) != id))
        {
            logger.StreamEndMissing(stream, id, sequence);
            return false;
        }
        await audit.ReportAsync(stream, full: false, since, new(1, 0, 0), ct);
        return true;
    }

    // The stream may have stored events that were never marked: the process was killed, or the database lost its last
    // commits. Once the duplicate window has passed, publishing them again would store them twice.
    private async Task MarkStoredAsync(string stream, CancellationToken ct)
    {
        var found = await audit.FindAsync(stream, ct);
        var state = found.State;
        var next = Math.Max(state.FirstSeq, (await NewestMarkAsync(found, ct))?.Sequence + 1 ?? 1);
        if (next > state.LastSeq)
            return;
        List<long> positions = [], sequences = [];
        List<Guid> ids = [];
        await foreach (var message in StoredMessages.ReadToEndAsync(jetStream, stream, new() { Sequence = next, HeadersOnly = true }, ct))
        {
            if (message.Sequence > state.LastSeq)
                break;
            if (!Guid.TryParse(message.Headers.Find(EventHeaders.MessageId), out var id)
                || !long.TryParse(message.Headers.Find(EventHeaders.Version), NumberStyles.None, CultureInfo.InvariantCulture, out var position))
                continue;   // a foreign publisher's
            positions.Add(position);
            sequences.Add((long)message.Sequence);
            ids.Add(id);
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
            logger.StoredEventsMarked(stream, marked);
    }

    // The highest sequence that a row names, and the row's id. Rows older than any message the stream can hold are left out:
    // their sequences may date from before the stream was recreated, and audits no longer correct them.
    private async Task<(string Id, ulong Sequence)?> NewestMarkAsync(StreamInfo stream, CancellationToken ct)
    {
        await using var command = database.CreateCommand("""
            SELECT id, stream_seq FROM watchword.outbox
            WHERE stream = $1 AND stream_seq IS NOT NULL AND published_at > clock_timestamp() - $2
            ORDER BY stream_seq DESC LIMIT 1
            """);
        command.Parameters.Add(new() { Value = stream.Config.Name });
        command.Parameters.Add(new() { Value = audit.Kept(stream) });
        await using var reader = await command.ExecuteReaderAsync(ct);
        return await reader.ReadAsync(ct) ? (reader.GetGuid(0).ToString(), (ulong)reader.GetInt64(1)) : null;
    }
}
