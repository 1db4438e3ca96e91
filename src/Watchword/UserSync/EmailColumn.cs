using Npgsql;

namespace Watchword.UserSync;

/// <summary>What the target's table demands of its column <c>email</c>.</summary>
/// <param name="UniqueIndexes">The unique indexes that it is part of, also within an expression.</param>
/// <param name="IsFreedByDeletion">Whether the row of a deleted user would keep the address from everybody else.</param>
/// <param name="IsNullable">Whether it may be null.</param>
internal sealed record EmailColumn(string[] UniqueIndexes, bool IsFreedByDeletion, bool IsNullable)
{
    // Indexes over expressions name their columns in pg_depend alone. An index with a condition on deleted_at or is_active
    // leaves the deleted out by itself.
    private const string Read = """
        SELECT NOT e.attnotnull, coalesce(array_agg((SELECT relname::text FROM pg_class WHERE oid = i.indexrelid)) FILTER (WHERE i.indexrelid IS NOT NULL), '{}'),
               coalesce(bool_or(i.indpred IS NULL OR NOT EXISTS (
                 SELECT 1 FROM pg_depend d JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
                 WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid AND d.refclassid = 'pg_class'::regclass
                   AND a.attname IN ('deleted_at', 'is_active'))) FILTER (WHERE i.indexrelid IS NOT NULL), false)
        FROM pg_attribute e
        LEFT JOIN pg_index i ON i.indrelid = e.attrelid AND i.indisunique AND (e.attnum = ANY (i.indkey) OR EXISTS (
          SELECT 1 FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
            AND d.refclassid = 'pg_class'::regclass AND d.refobjid = e.attrelid AND d.refobjsubid = e.attnum))
        WHERE e.attrelid = 'users'::regclass AND e.attname = 'email'
        GROUP BY e.attnotnull
        """;

    /// <summary>What a row has in place of an address that it must not hold any more.</summary>
    public string? Freed(string userId) => IsNullable ? null : $"deleted+{userId}@invalid";

    /// <summary><see cref="Freed"/> in SQL, for the row <c>u</c>, which is linked.</summary>
    public string FreedSql => IsNullable ? "NULL" : "'deleted+' || u.auth_id || '@invalid'";

    /// <summary>Whether another row holds the address.</summary>
    public bool IsTaken(PostgresException e) => e.SqlState == PostgresErrorCodes.UniqueViolation && UniqueIndexes.Contains(e.ConstraintName);

    public static async Task<EmailColumn> ReadAsync(NpgsqlDataSource target, CancellationToken ct)
    {
        await using var command = target.CreateCommand(Read);
        await using var row = await command.ExecuteReaderAsync(ct);
        await row.ReadAsync(ct);
        return new(row.GetFieldValue<string[]>(1), row.GetBoolean(2), row.GetBoolean(0));
    }
}
