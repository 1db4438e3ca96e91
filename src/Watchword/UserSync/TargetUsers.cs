using System.Text;
using Npgsql;

namespace Watchword.UserSync;

/// <summary>Writes users into the target's table, newest version wins.</summary>
internal sealed class TargetUsers(NpgsqlDataSource target)
{
    // A row of the application's own takes the identity of the user who has its address. Oldest row first, one a user.
    private const string Link = """
        WITH candidate AS (
          SELECT DISTINCT ON (i.auth_id) i.auth_id, u.id
          FROM unnest($1::text[], $2::text[]) AS i (auth_id, email)
          JOIN users u ON lower(u.email) = lower(i.email) AND u.auth_id IS NULL
          WHERE NOT EXISTS (SELECT 1 FROM users linked WHERE linked.auth_id = i.auth_id)
          ORDER BY i.auth_id, u.created_at, u.id)
        UPDATE users u SET auth_id = c.auth_id FROM candidate c WHERE u.id = c.id AND u.auth_id IS NULL
        """;

    // A deletion writes nothing of the user's, which the table might refuse, into a row that is there. What is known of them stays.
    private const string Delete = """
        UPDATE users u
        SET email = CASE WHEN $6 THEN i.email ELSE coalesce(i.email, u.email) END, is_active = false, version = i.version,
            version_tie = i.version_tie, deleted_at = i.deleted_at, updated_at = now()
        FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[], $5::timestamptz[]) AS i (auth_id, email, version, version_tie, deleted_at)
        WHERE u.auth_id = i.auth_id AND (u.version, u.version_tie) < (i.version, i.version_tie)
        """;

    private const string Insert = """
        INSERT INTO users AS u (auth_id, email, phone, name, email_verified, is_anonymous, is_active, roles,
                                organization_id, version, version_tie, deleted_at)
        SELECT i.auth_id, i.email, i.phone, i.name, i.email_verified, i.is_anonymous, i.is_active AND i.deleted_at IS NULL,
               i.roles::text[], i.organization_id, i.version, i.version_tie, i.deleted_at
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[], $5::boolean[], $6::boolean[], $7::boolean[],
                    $8::text[], $9::text[], $10::bigint[], $11::bigint[], $12::timestamptz[])
          AS i (auth_id, email, phone, name, email_verified, is_anonymous, is_active, roles, organization_id,
                version, version_tie, deleted_at)

        """;

    // Keeps an outdated state from the table's constraints, which PostgreSQL checks before it looks for the conflict.
    private const string OnlyNewer = """
        WHERE (SELECT (stored.version, stored.version_tie) >= (i.version, i.version_tie) FROM users stored WHERE stored.auth_id = i.auth_id) IS NOT TRUE

        """;

    // The guard at its end is what makes duplicates and reordering harmless.
    private const string Update = """
        ON CONFLICT (auth_id) DO UPDATE SET
          email           = CASE WHEN EXCLUDED.deleted_at IS NULL OR $13 THEN EXCLUDED.email ELSE coalesce(EXCLUDED.email, u.email) END,
          phone           = CASE WHEN EXCLUDED.deleted_at IS NULL THEN EXCLUDED.phone           ELSE u.phone END,
          name            = CASE WHEN EXCLUDED.deleted_at IS NULL THEN EXCLUDED.name            ELSE u.name END,
          email_verified  = CASE WHEN EXCLUDED.deleted_at IS NULL THEN EXCLUDED.email_verified  ELSE u.email_verified END,
          is_anonymous    = CASE WHEN EXCLUDED.deleted_at IS NULL THEN EXCLUDED.is_anonymous    ELSE u.is_anonymous END,
          roles           = CASE WHEN EXCLUDED.deleted_at IS NULL THEN EXCLUDED.roles           ELSE u.roles END,
          organization_id = CASE WHEN EXCLUDED.deleted_at IS NULL THEN EXCLUDED.organization_id ELSE u.organization_id END,
          is_active       = EXCLUDED.is_active,
          version         = EXCLUDED.version,
          version_tie     = EXCLUDED.version_tie,
          deleted_at      = EXCLUDED.deleted_at,
          updated_at      = now()
        WHERE (u.version, u.version_tie) < (EXCLUDED.version, EXCLUDED.version_tie)
        """;

    // After the upsert, which leaves a newer row alone.
    private const string Erase = """
        UPDATE users u SET email = i.email, phone = NULL, name = NULL
        FROM unnest($1::text[], $2::bigint[], $3::text[]) AS i (auth_id, version, email) WHERE u.auth_id = i.auth_id AND u.version = i.version
        """;

    private static readonly string[] Written =
    [
        "auth_id", "email", "phone", "name", "email_verified", "is_anonymous", "is_active", "roles", "organization_id",
        "version", "version_tie", "deleted_at",
    ];

    /// <summary>As the table was when it was last looked at: an application may change it at any time.</summary>
    public EmailColumn Email { get; private set; } = new([], false, true);

    /// <summary>Whether rows can be added to the table at all.</summary>
    /// <exception cref="UserSyncException">The application's own table requires what no event has; names the columns and the remedy.</exception>
    public async Task CheckAsync(CancellationToken ct)
    {
        await using var command = target.CreateCommand("""
            SELECT string_agg(attname, ', ' ORDER BY attnum) FROM pg_attribute
            WHERE attrelid = 'users'::regclass AND attnum > 0 AND NOT attisdropped AND attnotnull
              AND NOT atthasdef AND attidentity = '' AND attname <> ALL ($1)
            """);
        command.Parameters.Add(new() { Value = Written });
        if (await command.ExecuteScalarAsync(ct) is string columns)
            throw new UserSyncException($"table users cannot be kept in step: column(s) {columns} are NOT NULL without a default, and no event fills them: add a default or allow null");
        Email = await EmailColumn.ReadAsync(target, ct);
    }

    /// <summary>Whether the table refused a state because another row holds its address.</summary>
    public async Task<bool> IsAddressTakenAsync(PostgresException e, CancellationToken ct)
    {
        if (e.SqlState == PostgresErrorCodes.UniqueViolation && !Email.IsTaken(e))
            Email = await EmailColumn.ReadAsync(target, ct);   // the index may be new
        return Email.IsTaken(e);
    }

    /// <summary>The version that is stored of the user, if it is newer than this one; else null.</summary>
    public async Task<long?> NewerAsync(UserChange change, CancellationToken ct)
    {
        await using var command = target.CreateCommand("SELECT version FROM users WHERE auth_id = $1 AND (version, version_tie) > ($2, $3)");
        command.Parameters.Add(new() { Value = change.Data.UserId });
        command.Parameters.Add(new() { Value = change.Version });
        command.Parameters.Add(new() { Value = change.Tie });
        return await command.ExecuteScalarAsync(ct) as long?;
    }

    /// <summary>Applies the changes in one transaction; at most one change a user.</summary>
    /// <param name="changes">The changes.</param>
    /// <param name="isCareful">Whether the table may refuse one of them: then it is not asked about outdated ones, which costs a look-up each.</param>
    /// <param name="ct">Gives up.</param>
    public async Task ApplyAsync(List<UserChange> changes, bool isCareful, CancellationToken ct)
    {
        // Two processes that meet in the same rows take them in the same order.
        changes.Sort((a, b) => string.CompareOrdinal(a.Data.UserId, b.Data.UserId));
        await using var connection = await target.OpenConnectionAsync(ct);
        await using var batch = connection.CreateBatch();
        Add(batch, changes, isCareful);
        await batch.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Adds the statements that apply the changes.</summary>
    public void Add(NpgsqlBatch batch, List<UserChange> changes, bool isCareful)
    {
        var email = Email;
        var living = changes.FindAll(c => c.DeletedAt is null);
        if (living.Count > 0)
            Add(batch, Link, living.ConvertAll(c => c.Data.UserId), living.ConvertAll(c => c.Data.Email));
        if (living.Count < changes.Count)
        {
            var deleted = changes.FindAll(c => c.DeletedAt is not null);
            Add(batch, Delete,
                deleted.ConvertAll(c => c.Data.UserId), deleted.ConvertAll(c => email.IsFreedByDeletion ? email.Freed(c.Data.UserId!) : c.Data.Email),
                deleted.ConvertAll(c => c.Version), deleted.ConvertAll(c => c.Tie), deleted.ConvertAll(c => c.DeletedAt), email.IsFreedByDeletion);
        }
        Add(batch, Insert + (isCareful ? OnlyNewer : "") + Update,
            changes.ConvertAll(c => c.Data.UserId), changes.ConvertAll(EmailOf), changes.ConvertAll(c => c.Data.Phone),
            changes.ConvertAll(c => c.Data.Name), changes.ConvertAll(c => c.Data.EmailVerified), changes.ConvertAll(c => c.Data.IsAnonymous),
            changes.ConvertAll(c => c.Data.IsActive), changes.ConvertAll(c => ArrayLiteral(c.Data.Roles)),
            changes.ConvertAll(c => c.Data.OrganizationId ?? "org_default"), changes.ConvertAll(c => c.Version),
            changes.ConvertAll(c => c.Tie), changes.ConvertAll(c => c.DeletedAt), email.IsFreedByDeletion);
        if (changes.FindAll(c => c.IsErased) is { Count: > 0 } erased)
            Add(batch, Erase, erased.ConvertAll(c => c.Data.UserId), erased.ConvertAll(c => c.Version), erased.ConvertAll(c => email.Freed(c.Data.UserId!)));

        string? EmailOf(UserChange change) => change.DeletedAt is null || (change.Data.Email is not null && !email.IsFreedByDeletion)
            ? change.Data.Email : email.Freed(change.Data.UserId!);
    }

    private static void Add(NpgsqlBatch batch, string sql, params object[] values)
    {
        var command = new NpgsqlBatchCommand(sql);
        foreach (var value in values)
            command.Parameters.Add(new() { Value = value });
        batch.BatchCommands.Add(command);
    }

    // An array of arrays would be unnested whole; a literal each is unnested to one text a row.
    internal static string ArrayLiteral(string[]? roles)
    {
        if (roles is not { Length: > 0 })
            return roles is null ? "{user}" : "{}";
        if (roles is [var only] && only.Length > 0 && only.All(char.IsAsciiLetterLower))
            return only is "null" ? "{\"null\"}" : "{" + only + "}";
        var literal = new StringBuilder("{");
        foreach (var role in roles)
        {
            if (literal.Length > 1)
                literal.Append(',');
            literal.Append('"').Append(role.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal)).Append('"');
        }
        return literal.Append('}').ToString();
    }
}
