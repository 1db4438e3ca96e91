using Npgsql;

namespace Watchword.Events.Subscribing;

/// <summary>Parked events that a newer state of their key has made pointless. Only for consumers whose events carry whole states.</summary>
internal sealed class SupersededEvents(NpgsqlDataSource database, string consumer)
{
    /// <summary>The open events of some queues, oldest first.</summary>
    public async Task<List<ParkedEvent>> OpenAsync(string[] queues, CancellationToken ct)
    {
        await using var command = Command($"""
            SELECT {ParkedEvent.Columns} FROM watchword.parked_event
            WHERE consumer = $1 AND queue = ANY ($2) AND resolved_at IS NULL ORDER BY id
            """, [queues]);
        await using var reader = await command.ExecuteReaderAsync(ct);
        var events = new List<ParkedEvent>();
        while (await reader.ReadAsync(ct))
            events.Add(ParkedEvent.Read(reader));
        return events;
    }

    /// <summary>Closes events, each with its reason. One that is being handled at this moment is closed too: its outcome changes nothing.</summary>
    public async Task CloseAsync(IReadOnlyList<(long Id, string Reason)> events, CancellationToken ct)
    {
        await using var command = Command("""
            UPDATE watchword.parked_event p
            SET state = 'superseded', due_at = NULL, began_by = NULL, resolved_at = clock_timestamp(), resolution = s.reason
            FROM unnest($2::bigint[], $3::text[]) AS s (id, reason)
            WHERE p.id = s.id AND p.consumer = $1 AND p.resolved_at IS NULL
            """, [events.Select(e => e.Id).ToArray(), events.Select(e => e.Reason).ToArray()]);
        await command.ExecuteNonQueryAsync(ct);
    }

    private NpgsqlCommand Command(string sql, object[] values)
    {
        var command = database.CreateCommand(sql);
        command.Parameters.Add(new() { Value = consumer });
        foreach (var value in values)
            command.Parameters.Add(new() { Value = value });
        return command;
    }
}
