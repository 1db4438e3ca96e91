using Npgsql;

namespace Watchword.Events.Subscribing;

/// <summary>The idempotency store: which events a subscriber has handled, in the database that has their effects.</summary>
internal static class HandledEvents
{
    /// <summary>Marks events as handled, if the transaction commits. Answers those that were not yet.</summary>
    public static async Task<HashSet<string>> ClaimAsync(NpgsqlTransaction transaction, string consumer, IEnumerable<string> events, CancellationToken ct)
    {
        // In one order, so that two processes that meet cannot deadlock.
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

    /// <summary>Takes back the marks of what was claimed in this transaction and not begun.</summary>
    public static async Task GiveBackAsync(NpgsqlTransaction transaction, string consumer, IEnumerable<string> events, CancellationToken ct)
    {
        await using var delete = new NpgsqlCommand("DELETE FROM watchword.handled_event WHERE consumer = $1 AND event = ANY ($2)", transaction.Connection, transaction)
        {
            Parameters = { new() { Value = consumer }, new() { Value = events.ToArray() } },
        };
        await delete.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Commits, which nobody else may, and fails where PostgreSQL would silently roll back: after an error that a handler swallowed.</summary>
    public static async Task CommitAsync(NpgsqlTransaction transaction, CancellationToken ct)
    {
        try
        {
            await using var alive = new NpgsqlCommand("SELECT set_config('watchword.commit', 'on', true)", transaction.Connection, transaction);
            await alive.ExecuteNonQueryAsync(ct);
        }
        catch (PostgresException e) when (e.SqlState == PostgresErrorCodes.InFailedSqlTransaction)
        {
            throw new InvalidOperationException("the handler went on after an error of the database, which had undone its work: let the error out, or use a savepoint", e);
        }
        await transaction.CommitAsync(ct);
    }

    /// <summary>Forgets what is older than the retention, and dead letters that were dealt with as long ago.</summary>
    public static async Task PruneAsync(NpgsqlDataSource database, string consumer, TimeSpan retention, CancellationToken ct)
    {
        await using var batch = database.CreateBatch();
        foreach (var sql in (string[])[
            "DELETE FROM watchword.handled_event WHERE consumer = $1 AND handled_at < now() - $2",
            "DELETE FROM watchword.parked_event WHERE consumer = $1 AND resolved_at < now() - $2"])
            batch.BatchCommands.Add(new(sql) { Parameters = { new() { Value = consumer }, new() { Value = retention } } });
        batch.Timeout = 0;   // the first after a long while has much to do
        await batch.ExecuteNonQueryAsync(ct);
    }
}
