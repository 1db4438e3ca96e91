using Npgsql;

namespace Watchword.Events.Erasure;

/// <summary>Erases a person from the outbox. The rows stay, without content and without a place in a stream: an audit compares them with nothing, and a replay leaves them out.</summary>
public static class OutboxErasure
{
    private const string Erased = "{}";

    /// <summary>Learns the person's addresses and numbers.</summary>
    public static async Task LearnAsync(NpgsqlDataSource database, PersonTraces person, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(database);
        ArgumentNullException.ThrowIfNull(person);
        await using var command = Command(database, "SELECT payload FROM watchword.outbox WHERE key = $1", person.UserId);
        await using var row = await command.ExecuteReaderAsync(ct);
        while (await row.ReadAsync(ct))
            person.Learn(person.UserId, row.GetFieldValue<byte[]>(0));
    }

    /// <summary>How many events about the person wait to be published.</summary>
    public static async Task<long> CountUnpublishedAsync(NpgsqlDataSource database, PersonTraces person, CancellationToken ct = default) =>
        (await FindAsync(database, person, "published_at IS NULL", ct)).Count;

    /// <summary>Erases payload and headers of every published row about the person, and the client's address from rows that the person caused.</summary>
    /// <returns>How many rows were about the person.</returns>
    public static async Task<long> EraseAsync(NpgsqlDataSource database, PersonTraces person, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(database);
        ArgumentNullException.ThrowIfNull(person);
        var positions = await FindAsync(database, person, "published_at IS NOT NULL", ct);
        await using var erase = Command(database, $"""
            UPDATE watchword.outbox SET payload = '{Erased}', headers = NULL, stream_seq = NULL
            WHERE position = ANY ($1) AND published_at IS NOT NULL
            """, positions);
        var erased = await erase.ExecuteNonQueryAsync(ct);
        await using var caused = Command(database, """
            UPDATE watchword.outbox SET headers = headers - ARRAY['ip', 'userAgent']
            WHERE headers ->> 'actor' = $1 AND headers ?| ARRAY['ip', 'userAgent']
            """, person.UserId);
        await caused.ExecuteNonQueryAsync(ct);
        return erased;
    }

    private static async Task<List<long>> FindAsync(NpgsqlDataSource database, PersonTraces person, string which, CancellationToken ct)
    {
        await using var command = Command(database, $"SELECT position, subject, key, payload FROM watchword.outbox WHERE {which} AND payload::text <> '{Erased}'");
        await using var row = await command.ExecuteReaderAsync(ct);
        List<long> positions = [];
        while (await row.ReadAsync(ct))
            if (person.IsIn(row.GetString(1), row.GetString(2), row.GetFieldValue<byte[]>(3)))
                positions.Add(row.GetInt64(0));
        return positions;
    }

    private static NpgsqlCommand Command(NpgsqlDataSource database, string sql, params object[] values)
    {
        var command = database.CreateCommand(sql);
        command.CommandTimeout = 0;   // there may be a million; the caller can cancel
        foreach (var value in values)
            command.Parameters.Add(new() { Value = value });
        return command;
    }
}
