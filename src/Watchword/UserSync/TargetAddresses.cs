using Npgsql;

namespace Watchword.UserSync;

/// <summary>Moves addresses from one user to another, in a table whose addresses are unique.</summary>
internal sealed class TargetAddresses(NpgsqlDataSource target, TargetUsers users)
{
    private const string Free = """
        SELECT w.auth_id FROM unnest($1::text[], $2::text[]) AS w (auth_id, email)
        WHERE NOT EXISTS (
          SELECT 1 FROM users u
          WHERE lower(u.email) = lower(w.email) AND u.auth_id IS DISTINCT FROM w.auth_id AND (u.auth_id = ANY ($1)) IS NOT TRUE AND u.deleted_at IS NULL)
        """;

    /// <summary>The users among these whose address nobody holds, apart from deleted users and these users themselves.</summary>
    public async Task<HashSet<string>> FreeAsync(IReadOnlyCollection<UserChange> changes, CancellationToken ct)
    {
        await using var command = target.CreateCommand(Free);
        command.Parameters.Add(new() { Value = changes.Select(c => c.Data.UserId).ToArray() });
        command.Parameters.Add(new() { Value = changes.Select(c => c.Data.Email).ToArray() });
        await using var row = await command.ExecuteReaderAsync(ct);
        var free = new HashSet<string>();
        while (await row.ReadAsync(ct))
            free.Add(row.GetString(0));
        return free;
    }

    /// <summary>
    /// Stores as many of the states as can be stored together: each gives up its old address before any takes its new one.
    /// At most one state a user.
    /// </summary>
    /// <returns>Those that the table refuses, with its reason. They keep their old state, and their old address.</returns>
    public async Task<Dictionary<UserChange, PostgresException>> StoreTogetherAsync(IEnumerable<UserChange> changes, CancellationToken ct)
    {
        // Of two that claim one address the later claim is more likely to be the source's.
        var left = changes.OrderByDescending(c => (c.Version, c.Tie)).ToList();
        var refused = new Dictionary<UserChange, PostgresException>();
        while (left.Count > 0)
        {
            await using var connection = await target.OpenConnectionAsync(ct);
            await using var transaction = await connection.BeginTransactionAsync(ct);
            await VacateAsync(connection, left, ct);
            var refusedNow = 0;
            foreach (var change in left)
            {
                if (await StoreAsync(transaction, change, ct) is not { } refusal)
                    continue;
                refused.Add(change, refusal);
                refusedNow++;
            }
            if (refusedNow == 0)
            {
                await transaction.CommitAsync(ct);
                break;
            }
            // One that stays as it is has not given up its address, which another may have taken: once more, without it.
            await transaction.RollbackAsync(ct);
            left.RemoveAll(refused.ContainsKey);
        }
        return refused;
    }

    private async Task VacateAsync(NpgsqlConnection connection, List<UserChange> changes, CancellationToken ct)
    {
        await using var batch = connection.CreateBatch();
        // A constraint that is checked at commit would name no user.
        batch.BatchCommands.Add(new("SET CONSTRAINTS ALL IMMEDIATE"));
        batch.BatchCommands.Add(new($"""
            UPDATE users u SET email = {users.Email.FreedSql}
            FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS i (auth_id, email, version, version_tie)
            WHERE u.auth_id = i.auth_id AND (u.version, u.version_tie) < (i.version, i.version_tie) AND u.email IS DISTINCT FROM i.email
            """)
        {
            Parameters =
            {
                new() { Value = changes.ConvertAll(c => c.Data.UserId) }, new() { Value = changes.ConvertAll(c => c.Data.Email) },
                new() { Value = changes.ConvertAll(c => c.Version) }, new() { Value = changes.ConvertAll(c => c.Tie) },
            },
        });
        // Users who were deleted before the column was unique.
        if (users.Email.IsFreedByDeletion)
            batch.BatchCommands.Add(new($"""
                UPDATE users u SET email = {users.Email.FreedSql}
                WHERE u.auth_id IS NOT NULL AND u.deleted_at IS NOT NULL AND lower(u.email) = ANY (SELECT lower(email) FROM unnest($1::text[]) AS i (email))
                """)
            {
                Parameters = { new() { Value = changes.ConvertAll(c => c.Data.Email) } },
            });
        await batch.ExecuteNonQueryAsync(ct);
    }

    private async Task<PostgresException?> StoreAsync(NpgsqlTransaction transaction, UserChange change, CancellationToken ct)
    {
        await transaction.SaveAsync("one", ct);
        await using var batch = transaction.Connection!.CreateBatch();
        users.Add(batch, [change], isCareful: true);
        try
        {
            await batch.ExecuteNonQueryAsync(ct);
            return null;
        }
        catch (PostgresException e) when (e.IsObjection())
        {
            await transaction.RollbackAsync("one", ct);
            return e;
        }
    }
}
