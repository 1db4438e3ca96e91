using Npgsql;
using Watchword.Events.Erasure;
using Watchword.Server.Store;

namespace Watchword.Server.Erasure;

/// <summary>What the identity tables know of a person, and the record of the erasure.</summary>
internal sealed class IdentityTraces(NpgsqlDataSource database, IdentityTables tables, PersonTraces person)
{
    public Task<bool> HasAccountAsync(CancellationToken ct) => AskAsync("SELECT EXISTS (SELECT 1 FROM {user} WHERE id = $1)", ct);

    /// <summary>Whether there ever was such a user.</summary>
    public Task<bool> WasKnownAsync(CancellationToken ct) => AskAsync("""
        SELECT EXISTS (SELECT 1 FROM watchword.entity_version WHERE kind = 'user' AND id = $1)
            OR EXISTS (SELECT 1 FROM {user} WHERE id = $1) OR EXISTS (SELECT 1 FROM watchword.erasure WHERE user_id = $1)
        """, ct);

    public Task<bool> IsCompleteAsync(CancellationToken ct) => AskAsync("SELECT EXISTS (SELECT 1 FROM watchword.erasure WHERE user_id = $1 AND completed_at IS NOT NULL)", ct);

    /// <summary>Learns the addresses and numbers of the account, and those that an earlier attempt learned.</summary>
    public async Task LearnAsync(CancellationToken ct)
    {
        await using var command = database.CreateCommand(tables.Render("""
            SELECT unnest(traces) FROM watchword.erasure WHERE user_id = $1
            UNION SELECT unnest(ARRAY[email, to_jsonb(u) ->> 'phoneNumber']) FROM {user} u WHERE id = $1
            """));
        command.Parameters.Add(new() { Value = person.UserId });
        await using var row = await command.ExecuteReaderAsync(ct);
        while (await row.ReadAsync(ct))
            person.Add(row.IsDBNull(0) ? null : row.GetString(0));
    }

    /// <summary>Forgets the addresses that belong to another account by now: what holds them may be about that user.</summary>
    public async Task LeaveToOthersAsync(CancellationToken ct)
    {
        await using var command = database.CreateCommand(tables.Render("""
            SELECT trace FROM unnest($2::text[]) AS trace
            WHERE EXISTS (SELECT 1 FROM {user} u WHERE u.email = lower(trace) AND u.id <> $1)
            """));
        command.Parameters.Add(new() { Value = person.UserId });
        command.Parameters.Add(new() { Value = person.Texts.ToArray() });
        await using var row = await command.ExecuteReaderAsync(ct);
        while (await row.ReadAsync(ct))
            person.Remove(row.GetString(0));
    }

    /// <summary>Records that the erasure has begun, with what it looks for.</summary>
    public async Task BeginAsync(string by, string reason, CancellationToken ct)
    {
        await using var command = database.CreateCommand("""
            INSERT INTO watchword.erasure AS e (user_id, requested_by, reason, traces) VALUES ($1, $2, $3, $4)
            ON CONFLICT (user_id) DO UPDATE SET requested_by = EXCLUDED.requested_by, reason = EXCLUDED.reason, traces = EXCLUDED.traces
            """);
        foreach (var value in (object[])[person.UserId, by, reason, person.Texts.ToArray()])
            command.Parameters.Add(new() { Value = value });
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Deletes the account, whose triggers publish that, and what is about the person in tables that do not refer to it.</summary>
    /// <returns>How many rows, the account among them.</returns>
    public async Task<long> DeleteRowsAsync(CancellationToken ct)
    {
        await using var batch = database.CreateBatch();   // one transaction
        foreach (var (table, sql) in ((string, string)[])[
            ("invitation", "DELETE FROM {invitation} WHERE lower(email) = ANY ($2)"),
            ("verification", "DELETE FROM {verification} WHERE lower(identifier) = ANY ($2) OR lower(value) = ANY ($2) OR value = $1"),
            ("apikey", """DELETE FROM {apikey} WHERE "referenceId" = $1"""),
            ("user", "DELETE FROM {user} WHERE id = $1"),
            ("user", "DELETE FROM watchword.user_login WHERE user_id = $1"),
            ("user", "DELETE FROM watchword.login_failure WHERE email = ANY ($2)")])
        {
            if (tables.NameOf(table) is null)
                continue;
            var command = new NpgsqlBatchCommand(tables.Render(sql));
            command.Parameters.Add(new() { Value = person.UserId });
            command.Parameters.Add(new() { Value = person.Texts.Select(t => t.ToLowerInvariant()).ToArray() });
            batch.BatchCommands.Add(command);
        }
        return await batch.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Publishes <c>user.erased</c> and forgets what the erasure looked for, in one transaction.</summary>
    public async Task CompleteAsync(CancellationToken ct)
    {
        await using var batch = database.CreateBatch();
        foreach (var sql in (string[])[
            "SELECT watchword.append_change('user.erased', 'user.erased', 'user', $1, json_build_object('userId', $1), true)",
            "UPDATE watchword.erasure SET traces = '{}', completed_at = clock_timestamp() WHERE user_id = $1"])
            batch.BatchCommands.Add(new(sql) { Parameters = { new() { Value = person.UserId, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Text } } });
        await batch.ExecuteNonQueryAsync(ct);
    }

    private async Task<bool> AskAsync(string sql, CancellationToken ct)
    {
        await using var command = database.CreateCommand(tables.Render(sql));
        command.Parameters.Add(new() { Value = person.UserId });
        return await command.ExecuteScalarAsync(ct) is true;
    }
}
