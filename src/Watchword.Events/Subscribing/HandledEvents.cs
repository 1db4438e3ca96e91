using Npgsql;

namespace Watchword.Events.Subscribing;

/// <summary>The idempotency store: which events a subscriber has handled, in the database of their effects.</summary>
internal static class HandledEvents
{
    /// <summary>Marks events as handled, if the transaction commits. Returns those that were not handled before.</summary>
    public static async Task<HashSet<string>> ClaimAsync(NpgsqlTransaction transaction, string consumer, IEnumerable<string> events, CancellationToken ct)
    {
        // In one order, so that two processes cannot deadlock.
        await using var claim = new NpgsqlCommand("""
            INSERT INTO watchword.handled_event (consumer, event) SELECT $1, e FROM unnest($2) AS e ORDER BY e
            ON CONFLICT DO NOTHING RETURNING event
            """, transaction.Connection, transaction)
        {
            Parameters = { new() { Value = consumer }, new() { Value = events.Distinct(StringComparer.Ordinal).ToArray() } },
        };
        await using var reader = await claim.ExecuteReaderAsync(ct);
        var fresh = new HashSet<string>(StringComparer.Ordinal);
        while (await reader.ReadAsync(ct))
            fresh.Add(reader.GetString(0));
        return fresh;
    }

    /// <summary>Removes the marks of events that were claimed in this transaction and not begun.</summary>
    public static async Task GiveBackAsync(NpgsqlTransaction transaction, string consumer, IEnumerable<string> events, CancellationToken ct)
    {
        await using var delete = new NpgsqlCommand("DELETE FROM watchword.handled_event WHERE consumer = $1 AND event = ANY ($2)", transaction.Connection, transaction)
        {
            Parameters = { new() { Value = consumer }, new() { Value = events.ToArray() } },
        };
        await delete.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Commits, which nobody else may. Fails where PostgreSQL would silently roll back: after an error that a handler swallowed.</summary>
    public static async Task CommitAsync(NpgsqlTransaction transaction, CancellationToken ct)
    {
        try
        {
            await using var alive = new NpgsqlCommand("SELECT set_config('watchword.commit', 'on', true)", transaction.Connection, transaction);
            await alive.ExecuteNonQueryAsync(ct);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InFailedSqlTransaction)
        {
            throw new InvalidOperationException("the handler continued after a database error, which had rolled its work back: let the exception out, or use a savepoint", e);
        }
        await transaction.CommitAsync(ct);
    }

    /// <summary>Forgets events that were handled longer ago than the retention.</summary>
    public static async Task PruneAsync(NpgsqlDataSource database, string consumer, TimeSpan retention, CancellationToken ct)
    {
        await using var command = database.CreateCommand("DELETE FROM watchword.handled_event WHERE consumer = $1 AND handled_at < now() - $2");
        command.Parameters.Add(new() { Value = consumer });
        command.Parameters.Add(new() { Value = retention });
        command.CommandTimeout = 0;   // the first after a long time deletes much
        await command.ExecuteNonQueryAsync(ct);
    }
}
