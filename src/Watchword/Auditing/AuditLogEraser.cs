using Npgsql;
using NpgsqlTypes;
using Watchword.Events.Erasure;

namespace Watchword.Auditing;

/// <summary>Erases what an audit log tells of a person. The chain stays intact, and a new row records the erasure.</summary>
public static class AuditLogEraser
{
    /// <summary>Whether the database has an audit log.</summary>
    public static async Task<bool> ExistsAsync(NpgsqlDataSource database, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(database);
        await using var command = database.CreateCommand("SELECT to_regclass('watchword.audit_log') IS NOT NULL");
        return await command.ExecuteScalarAsync(ct) is true;
    }

    /// <summary>Learns the person's addresses and numbers from the log.</summary>
    public static async Task LearnAsync(NpgsqlDataSource database, PersonTraces person, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(database);
        ArgumentNullException.ThrowIfNull(person);
        await using var command = database.CreateCommand("SELECT payload FROM watchword.audit_log WHERE key = $1 AND payload IS NOT NULL");
        command.Parameters.Add(new() { Value = person.UserId });
        await using var row = await command.ExecuteReaderAsync(ct);
        while (await row.ReadAsync(ct))
            person.Learn(person.UserId, row.GetFieldValue<byte[]>(0));
    }

    /// <summary>Erases salt and content of every row about the person, and records that in the same transaction.</summary>
    /// <param name="database">Where the log lies; the role needs the right to update it.</param>
    /// <param name="person">Whom to forget.</param>
    /// <param name="by">Who erases; recorded.</param>
    /// <param name="reason">Why; recorded for good.</param>
    /// <param name="ct">Gives up; nothing is erased then.</param>
    /// <returns>How many rows; when none, nothing is recorded.</returns>
    public static async Task<long> EraseAsync(NpgsqlDataSource database, PersonTraces person, string by, string reason, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(database);
        ArgumentNullException.ThrowIfNull(person);
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var transaction = await connection.BeginTransactionAsync(ct);
        var positions = await FindAsync(transaction, person, ct);
        if (positions.Count == 0)
            return 0;
        await using (var erase = new NpgsqlCommand("UPDATE watchword.audit_log SET salt = NULL, correlation_id = NULL, payload = NULL WHERE position = ANY ($1)", connection, transaction) { CommandTimeout = 0 })
        {
            erase.Parameters.Add(new() { Value = positions });
            await erase.ExecuteNonQueryAsync(ct);
        }
        await AuditLog.AppendAsync(transaction, new AuditEntry(
            Guid.CreateVersion7().ToString(), ErasureRecord.Stream, 0, ErasureRecord.Subject, person.UserId, by, null, null, DateTimeOffset.UtcNow,
            new ErasureRecord(person.UserId, by, reason, positions).Write()), ct);
        await transaction.CommitAsync(ct);
        return positions.Count;
    }

    private static async Task<List<long>> FindAsync(NpgsqlTransaction transaction, PersonTraces person, CancellationToken ct)
    {
        // Locked, so that what is appended meanwhile waits, and two erasures do not meet in the same rows.
        await using (var head = new NpgsqlCommand("SELECT 1 FROM watchword.audit_head FOR UPDATE", transaction.Connection, transaction))
            await head.ExecuteNonQueryAsync(ct);
        await using var select = new NpgsqlCommand("""
            SELECT position, subject, key, correlation_id, payload FROM watchword.audit_log
            WHERE payload IS NOT NULL AND NOT (stream = $1 AND subject = $2) ORDER BY position
            """, transaction.Connection, transaction) { CommandTimeout = 0 };
        select.Parameters.Add(new() { Value = ErasureRecord.Stream, NpgsqlDbType = NpgsqlDbType.Text });
        select.Parameters.Add(new() { Value = ErasureRecord.Subject, NpgsqlDbType = NpgsqlDbType.Text });
        await using var row = await select.ExecuteReaderAsync(ct);
        List<long> positions = [];
        while (await row.ReadAsync(ct))
            if (person.IsIn(row.GetString(1), row.IsDBNull(2) ? null : row.GetString(2), row.GetFieldValue<byte[]>(4)) || !row.IsDBNull(3) && person.IsNamedIn(row.GetString(3)))
                positions.Add(row.GetInt64(0));
        return positions;
    }
}
