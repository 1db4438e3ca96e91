using Microsoft.Extensions.Logging;
using Npgsql;

namespace Watchword.Events.Postgres;

/// <summary>Brings a database to the newest schema. Safe when many nodes start at once.</summary>
public static class MigrationRunner
{
    // Any fixed number serves; all versions of the runner must agree on it. ("watchwor" in ASCII)
    private const long LockKey = 0x7761746368776F72;

    /// <summary>Applies what is missing of each set, in order, every file in a transaction of its own.</summary>
    /// <remarks>A node that finds another at work waits for it, then finds nothing left to do.</remarks>
    /// <exception cref="MigrationException">An applied file was changed since, or a file failed.</exception>
    public static async Task ApplyAsync(
        NpgsqlDataSource database, IEnumerable<MigrationSet> sets, ILogger logger, CancellationToken ct = default)
    {
        await using var connection = await database.OpenConnectionAsync(ct);
        await ExecuteAsync(connection, $"SELECT pg_advisory_lock({LockKey})", ct);
        try
        {
            if (!await IsPreparedAsync(connection, ct))
                await ExecuteAsync(connection, """
                    CREATE SCHEMA IF NOT EXISTS watchword;
                    CREATE TABLE IF NOT EXISTS watchword.migration (
                      set_name   text        NOT NULL,
                      number     integer     NOT NULL,
                      name       text        NOT NULL,
                      checksum   text        NOT NULL,
                      applied_at timestamptz NOT NULL DEFAULT now(),
                      PRIMARY KEY (set_name, number))
                    """, ct);
            foreach (var set in sets)
                await ApplySetAsync(connection, set, logger, ct);
        }
        finally
        {
            // The pool would hand the lock on with the connection.
            await ExecuteAsync(connection, $"SELECT pg_advisory_unlock({LockKey})", CancellationToken.None);
        }
    }

    // Where an administrator has migrated, a service needs no right to create: not even IF NOT EXISTS may be asked without.
    private static async Task<bool> IsPreparedAsync(NpgsqlConnection connection, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("SELECT to_regclass('watchword.migration') IS NOT NULL", connection);
        return await command.ExecuteScalarAsync(ct) is true;
    }

    private static async Task ApplySetAsync(NpgsqlConnection connection, MigrationSet set, ILogger logger, CancellationToken ct)
    {
        var applied = await ReadAppliedAsync(connection, set.Name, ct);
        foreach (var migration in set.Migrations)
        {
            if (applied.TryGetValue(migration.Number, out var checksum))
            {
                if (checksum != migration.Checksum)
                    throw new MigrationException(
                        $"migration {set.Name}/{migration.Number:000}_{migration.Name} differs from the one that was applied to this database: restore the file and add a new one instead");
                continue;
            }

            try
            {
                await using var transaction = await connection.BeginTransactionAsync(ct);
                await ExecuteAsync(connection, migration.Sql, ct);
                await using var record = new NpgsqlCommand(
                    "INSERT INTO watchword.migration (set_name, number, name, checksum) VALUES ($1, $2, $3, $4)", connection)
                {
                    Parameters = { new() { Value = set.Name }, new() { Value = migration.Number }, new() { Value = migration.Name }, new() { Value = migration.Checksum } },
                };
                await record.ExecuteNonQueryAsync(ct);
                await transaction.CommitAsync(ct);
            }
            catch (PostgresException e)
            {
                throw new MigrationException($"migration {set.Name}/{migration.Number:000}_{migration.Name} failed: {e.MessageText}", e);
            }
            logger.MigrationApplied(set.Name, migration.Number, migration.Name);
        }
    }

    private static async Task<Dictionary<int, string>> ReadAppliedAsync(NpgsqlConnection connection, string set, CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("SELECT number, checksum FROM watchword.migration WHERE set_name = $1", connection)
        {
            Parameters = { new() { Value = set } },
        };
        await using var reader = await command.ExecuteReaderAsync(ct);
        var applied = new Dictionary<int, string>();
        while (await reader.ReadAsync(ct))
            applied.Add(reader.GetInt32(0), reader.GetString(1));
        return applied;
    }

    private static async Task ExecuteAsync(NpgsqlConnection connection, string sql, CancellationToken ct)
    {
        // A migration of a large table may take its time, and so may another node's.
        await using var command = new NpgsqlCommand(sql, connection) { CommandTimeout = 0 };
        await command.ExecuteNonQueryAsync(ct);
    }
}

/// <summary>The schema could not be brought up to date; the message names the file.</summary>
public sealed class MigrationException : Exception
{
    /// <inheritdoc/>
    public MigrationException(string message) : base(message) { }

    /// <inheritdoc/>
    public MigrationException(string message, Exception inner) : base(message, inner) { }
}
