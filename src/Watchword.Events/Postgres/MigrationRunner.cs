using Microsoft.Extensions.Logging;
using Npgsql;

namespace Watchword.Events.Postgres;

/// <summary>Brings a database to the newest schema. Any number of nodes may start at once.</summary>
public static class MigrationRunner
{
    // Must never change: all versions of the runner have to take the same lock. ("watchwor" in ASCII)
    private const long LockKey = 0x7761746368776F72;

    /// <summary>Applies the missing migrations of each set in order, each file in its own transaction.</summary>
    /// <remarks>One node migrates at a time; the others wait, and then find nothing left to do.</remarks>
    /// <exception cref="MigrationException">
    /// The database holds a migration that this build does not know, an applied file was changed, or a file failed.
    /// </exception>
    /// <exception cref="NpgsqlException">The database does not answer.</exception>
    public static async Task ApplyAsync(
        NpgsqlDataSource database, IEnumerable<MigrationSet> sets, ILogger logger, CancellationToken ct = default)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var turn = await TakeTurnAsync(connection, ct);
        foreach (var set in sets)
            await ApplySetAsync(connection, set, logger, ct);
    }

    /// <summary>Whether a database holds a migration of a set.</summary>
    public static async Task<bool> HasAppliedAsync(NpgsqlConnection connection, string set, CancellationToken ct = default) =>
        (await ReadAppliedAsync(connection, set, ct)).Count > 0;

    /// <summary>
    /// Runs SQL that replaces what an earlier version of it made, unless the last version that ran is this one. Its objects can
    /// then depend on what the database holds.
    /// </summary>
    /// <param name="database">Where.</param>
    /// <param name="name">Identifies it in table <c>watchword.migration</c>.</param>
    /// <param name="sql">One or more statements that can run again.</param>
    /// <param name="complete">Whether what it makes is still there; if not, it runs in any case.</param>
    /// <param name="logger">Told when it ran.</param>
    /// <param name="ct">Cancels.</param>
    /// <exception cref="MigrationException">A statement failed. Nothing changed.</exception>
    /// <exception cref="NpgsqlException">The database does not answer.</exception>
    public static async Task ApplyRepeatableAsync(NpgsqlDataSource database, string name, string sql, bool complete, ILogger logger, CancellationToken ct = default)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var turn = await TakeTurnAsync(connection, ct);
        var migration = new Migration(0, name, sql);
        var applied = await ReadAppliedAsync(connection, name, ct);
        if (complete && applied.Any(a => a.Checksum == migration.Checksum))
            return;
        await RunAsync(connection, name, null, migration, """
            INSERT INTO watchword.migration (set_name, number, name, checksum) VALUES ($1, $2, $3, $4)
            ON CONFLICT (set_name, number) DO UPDATE SET checksum = EXCLUDED.checksum, applied_at = now()
            """, ct);
        logger.MigrationApplied(name, migration.Number, migration.Name);
    }

    // One node migrates at a time, from here until the turn is disposed of.
    private static async Task<IAsyncDisposable> TakeTurnAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        await ExecuteAsync(connection, $"SELECT pg_advisory_lock({LockKey})", ct);
        var turn = new Turn(connection);
        try
        {
            // Asked first, because CREATE ... IF NOT EXISTS needs the right to create even if the object exists. A service
            // whose administrator has migrated the database needs no such right.
            if (await ScalarAsync(connection, "SELECT to_regclass('watchword.migration') IS NULL", ct) is true)
                await ExecuteAsync(connection, """
                    CREATE SCHEMA IF NOT EXISTS watchword;
                    CREATE TABLE watchword.migration (
                      set_name   text        NOT NULL,
                      number     integer     NOT NULL,
                      name       text        NOT NULL,
                      checksum   text        NOT NULL,
                      applied_at timestamptz NOT NULL DEFAULT now(),
                      PRIMARY KEY (set_name, number))
                    """, ct);
            return turn;
        }
        catch
        {
            await turn.DisposeAsync();
            throw;
        }
    }

    // Closing only returns the connection to the pool, which would keep the lock.
    private sealed class Turn(NpgsqlConnection connection) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync() => await ExecuteAsync(connection, $"SELECT pg_advisory_unlock({LockKey})", CancellationToken.None);
    }

    private static async Task ApplySetAsync(NpgsqlConnection connection, MigrationSet set, ILogger logger, CancellationToken ct)
    {
        var applied = await ReadAppliedAsync(connection, set.Name, ct);
        CheckApplied(connection.Database, set, applied);
        foreach (var migration in set.Migrations.Where(m => applied.All(a => a.Number != m.Number)))
        {
            await RunAsync(connection, set.Name, set.Schema, migration, "INSERT INTO watchword.migration (set_name, number, name, checksum) VALUES ($1, $2, $3, $4)", ct);
            logger.MigrationApplied(set.Name, migration.Number, migration.Name);
        }
    }

    private static async Task RunAsync(NpgsqlConnection connection, string set, string? schema, Migration migration, string record, CancellationToken ct)
    {
        try
        {
            await using var transaction = await connection.BeginTransactionAsync(ct);
            if (schema is not null)
                await ExecuteAsync(connection, $"{await CreateSchemaAsync(connection, schema, ct)}SET LOCAL search_path TO {Quoted(schema)}", ct);
            await ExecuteAsync(connection, migration.Sql, ct);
            await ExecuteAsync(connection, record, ct, set, migration.Number, migration.Name, migration.Checksum);
            await transaction.CommitAsync(ct);
        }
        catch (PostgresException e)
        {
            throw new MigrationException($"Migration {set}/{migration.File} failed: {e.MessageText}", e);
        }
    }

    private static async Task<string> CreateSchemaAsync(NpgsqlConnection connection, string schema, CancellationToken ct)
    {
        await using var command = Command(connection, "SELECT NOT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)", schema);
        return await command.ExecuteScalarAsync(ct) is true ? $"CREATE SCHEMA {Quoted(schema)}; " : "";
    }

    private static string Quoted(string name) => $"\"{name.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";

    // The highest number first: it tells best how old or new the build was that made the database.
    private static void CheckApplied(string database, MigrationSet set, List<Applied> applied)
    {
        foreach (var (number, name, checksum) in Enumerable.Reverse(applied))
        {
            var known = set.Migrations.FirstOrDefault(m => m.Number == number && m.Name == name);
            if (known is null)
                throw new MigrationException(
                    $"Database {database} holds migration {set.Name}/{number:000}_{name}, which this build does not know: it was made by a newer or an unreleased build of Watchword. "
                    + "Run that newer build, or, if you do not need the data, drop the database (or delete the data folder) and start again.");
            if (known.Checksum != checksum)
                throw new MigrationException(
                    $"Migration {set.Name}/{known.File} differs from the file that was applied to database {database}. If you edited the file, restore it and add a new one. "
                    + "If the database was made by an unreleased build of Watchword, drop it (or delete the data folder) and start again.");
        }
    }

    private static async Task<List<Applied>> ReadAppliedAsync(NpgsqlConnection connection, string set, CancellationToken ct)
    {
        await using var command = Command(connection, "SELECT number, name, checksum FROM watchword.migration WHERE set_name = $1 ORDER BY number", set);
        await using var reader = await command.ExecuteReaderAsync(ct);
        var applied = new List<Applied>();
        while (await reader.ReadAsync(ct))
            applied.Add(new(reader.GetInt32(0), reader.GetString(1), reader.GetString(2)));
        return applied;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken ct, params object[] values)
    {
        await using var command = Command(connection, sql, values);
        await command.ExecuteNonQueryAsync(ct);
    }

    private static async Task<object?> ScalarAsync(NpgsqlConnection connection, string sql, CancellationToken ct)
    {
        await using var command = Command(connection, sql);
        return await command.ExecuteScalarAsync(ct);
    }

    // No time limit: a migration of a large table takes long, and so does the wait for another node's.
    private static NpgsqlCommand Command(NpgsqlConnection connection, string sql, params object[] values)
    {
        var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        foreach (var value in values)
            command.Parameters.Add(new() { Value = value });
        return command;
    }

    private sealed record Applied(int Number, string Name, string Checksum);
}

/// <summary>The schema could not be brought up to date. The message names the file and the remedy.</summary>
public sealed class MigrationException : Exception
{
    /// <inheritdoc/>
    public MigrationException(string message) : base(message) { }

    /// <inheritdoc/>
    public MigrationException(string message, Exception inner) : base(message, inner) { }
}
