using System.Text.Json;
using NATS.Client.Core;
using Npgsql;
using Watchword.Events.Subscribing;

namespace Watchword.Events.Erasure;

/// <summary>
/// Erases a person from the parked events and dead letters of a database. The rows stay as discarded, without content, so
/// that a running consumer moves on to what waits behind them.
/// </summary>
public static class ParkedErasure
{
    /// <summary>Whether a subscriber has ever worked on this database.</summary>
    public static Task<bool> ExistAsync(NpgsqlDataSource database, CancellationToken ct = default) => new DeadLetters(database).ExistAsync(ct);

    /// <summary>Learns the person's addresses and numbers.</summary>
    public static async Task LearnAsync(NpgsqlDataSource database, PersonTraces person, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(database);
        ArgumentNullException.ThrowIfNull(person);
        await using var command = database.CreateCommand("SELECT payload FROM watchword.parked_event WHERE key = $1");
        command.Parameters.Add(new() { Value = person.UserId });
        await using var row = await command.ExecuteReaderAsync(ct);
        while (await row.ReadAsync(ct))
            person.Learn(person.UserId, row.GetFieldValue<byte[]>(0));
    }

    /// <summary>Erases payload, headers and reason of every parked event about the person.</summary>
    /// <returns>How many.</returns>
    public static async Task<long> EraseAsync(NpgsqlDataSource database, PersonTraces person, string by, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(database);
        ArgumentNullException.ThrowIfNull(person);
        var ids = await FindAsync(database, person, ct);
        await using var erase = database.CreateCommand("""
            UPDATE watchword.parked_event
            SET payload = '', headers = '[]', reason = NULL, resolution = 'erased', copied = true,
                state = CASE WHEN resolved_at IS NULL THEN 'discarded' ELSE state END,
                due_at = CASE WHEN resolved_at IS NULL THEN clock_timestamp() ELSE due_at END,   -- its consumer looks at the queue once more
                resolved_by = coalesce(resolved_by, $2), resolved_at = coalesce(resolved_at, clock_timestamp())
            WHERE id = ANY ($1)
            """);
        erase.Parameters.Add(new() { Value = ids });
        erase.Parameters.Add(new() { Value = by });
        return await erase.ExecuteNonQueryAsync(ct);
    }

    private static async Task<List<long>> FindAsync(NpgsqlDataSource database, PersonTraces person, CancellationToken ct)
    {
        await using var command = database.CreateCommand("""
            SELECT id, subject, key, payload, headers::text, reason FROM watchword.parked_event
            WHERE payload <> '' OR headers <> '[]' OR reason IS NOT NULL
            """);
        command.CommandTimeout = 0;   // there may be a million; the caller can cancel
        await using var row = await command.ExecuteReaderAsync(ct);
        List<long> ids = [];
        while (await row.ReadAsync(ct))
        {
            var headers = new NatsHeaders { ["reason"] = row.IsDBNull(5) ? "" : row.GetString(5) };
            foreach (var pair in JsonSerializer.Deserialize(row.GetString(4), DeadLetterJson.Default.StringArrayArray)!)
                headers[$"{headers.Count}"] = pair[1];
            if (person.IsIn(row.GetString(1), row.IsDBNull(2) ? null : row.GetString(2), row.GetFieldValue<byte[]>(3), headers))
                ids.Add(row.GetInt64(0));
        }
        return ids;
    }
}
