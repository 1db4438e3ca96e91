using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Npgsql;
using Watchword.Events.Contracts;
using Watchword.Nats;

namespace Watchword.Events.Outbox;

/// <summary>Where a stream and the outbox meet: the newest event that a row calls published, and what the stream has behind it.</summary>
internal sealed class StreamEnd(NpgsqlDataSource database, JetStream jetStream, StreamAudit audit, ILogger logger)
{
    /// <summary>
    /// The end of a stream; where it was cut off, the whole of it. And what lies behind it: stored, and not marked.
    /// Before anything newer is published.
    /// </summary>
    public async Task CheckAsync(StreamConfig stream, CancellationToken ct)
    {
        if (!await EndStandsAsync(stream, ct))
            await audit.RunAsync(stream, ct);
        await MarkStoredAsync(stream, ct);
    }

    private async Task<bool> EndStandsAsync(StreamConfig stream, CancellationToken ct)
    {
        var since = Stopwatch.GetTimestamp();
        var found = await audit.FindAsync(stream, ct);
        if (await NewestMarkAsync(found, ct) is not var (id, sequence))
            return true;   // nothing was published that it should still have
        var state = found.State;
        if (sequence >= state.FirstSequence
            && (sequence > state.LastSequence || (await jetStream.GetMessageAsync(stream.Name, sequence, ct))?.Headers?[EventHeaders.MessageId] != id))
        {
            logger.StreamEndMissing(stream.Name, id, sequence);
            return false;
        }
        await audit.ReportAsync(stream.Name, full: false, since, new(1, 0, 0), ct);
        return true;
    }

    // The stream may have stored what nobody lived to mark: a process that was killed, a database that lost its last
    // commits. It forgets their ids after its duplicate window, and published again they would be stored again.
    private async Task MarkStoredAsync(StreamConfig stream, CancellationToken ct)
    {
        var found = await audit.FindAsync(stream, ct);
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
