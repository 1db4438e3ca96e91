using System.Data;
using Npgsql;

namespace Watchword.Events.Postgres;

/// <summary>
/// Leadership by a PostgreSQL advisory lock, held by its own connection. Work that must stop when the lease is lost runs
/// on that connection, through <see cref="ExecuteAsync"/>.
/// </summary>
/// <remarks>The server ends a lease that is idle for 30 seconds, so its holder must check it more often.</remarks>
public sealed class AdvisoryLease : IAsyncDisposable
{
    private const int ReleaseTimeout = 2;   // seconds

    // A holder that hangs, or whose machine is down, would keep the lock until PostgreSQL notices that the connection is
    // dead: two hours with the default TCP settings.
    private const string EndWhenIdle = "set_config('idle_session_timeout', '30s', false)";

    private readonly NpgsqlConnection _connection;
    private readonly SemaphoreSlim _gate = new(1);

    private AdvisoryLease(NpgsqlConnection connection) => _connection = connection;

    /// <summary>Takes the lease; returns null while another process holds it.</summary>
    /// <param name="database">The database that holds the lock.</param>
    /// <param name="name">The name of the lease, the same in every process.</param>
    /// <param name="ct">Cancels the attempt.</param>
    /// <exception cref="NpgsqlException">The database does not answer.</exception>
    public static async Task<AdvisoryLease?> TryAcquireAsync(NpgsqlDataSource database, string name, CancellationToken ct)
    {
        var connection = await database.OpenConnectionAsync(ct);
        try
        {
            // One statement, so that a failure in between cannot return a connection to the pool that holds the lock forever.
            await using var command = new NpgsqlCommand($"SELECT CASE WHEN pg_try_advisory_lock({Key("$1")}) THEN {EndWhenIdle} END", connection)
            {
                Parameters = { new() { Value = name } },
            };
            if (await command.ExecuteScalarAsync(ct) is string)
                return new AdvisoryLease(connection);
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
        await connection.DisposeAsync();
        return null;
    }

    /// <summary>The SQL expression of the lock's key.</summary>
    /// <param name="name">An SQL expression for the name of the lease.</param>
    internal static string Key(string name) => $"hashtextextended('watchword ' || {name}, 0)";

    /// <summary>False once the connection is known to be broken, and the lease lost. Does not ask the server.</summary>
    public bool IsHeld => _connection.State == ConnectionState.Open;

    /// <summary>Asks the server whether the lease is still held, and thereby keeps it from becoming idle.</summary>
    /// <exception cref="NpgsqlException">The lease is lost: its connection broke.</exception>
    public async Task CheckAsync(CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("SELECT");
        await ExecuteAsync(command, ct);
    }

    /// <summary>Runs a statement in the session that holds the lease and returns the number of rows. Thread-safe.</summary>
    /// <exception cref="NpgsqlException">The statement failed, or the lease is lost: its connection broke.</exception>
    public async Task<int> ExecuteAsync(NpgsqlCommand command, CancellationToken ct)
    {
        await _gate.WaitAsync(ct);
        try
        {
            if (!IsHeld)
                throw new NpgsqlException("The lease is lost: its connection broke.");
            command.Connection = _connection;
            return await command.ExecuteNonQueryAsync(ct);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Releases the lease. Safe to call twice.</summary>
    public async ValueTask DisposeAsync()
    {
        if (IsHeld)
        {
            try
            {
                // The pool resets a connection only when it is used again. Until then it would keep the lock and the timeout.
                await using var command = new NpgsqlCommand("SELECT pg_advisory_unlock_all(); RESET idle_session_timeout", _connection) { CommandTimeout = ReleaseTimeout };
                await command.ExecuteNonQueryAsync(CancellationToken.None);
            }
            catch (NpgsqlException)
            {
                // The connection broke, or the server does not answer. Either way the server releases the lock itself.
            }
        }
        await _connection.DisposeAsync();
        _gate.Dispose();
    }
}
