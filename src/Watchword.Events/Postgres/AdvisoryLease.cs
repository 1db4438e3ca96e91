using Npgsql;

namespace Watchword.Events.Postgres;

/// <summary>
/// Leadership: an advisory lock held by a connection of its own. Work that must stop when the lease is lost runs on
/// <see cref="Connection"/>, which breaks with it.
/// </summary>
/// <remarks>The server ends a lease that is not used for half a minute: whoever holds one checks it more often.</remarks>
public sealed class AdvisoryLease : IAsyncDisposable
{
    private const int LastWords = 2;   // seconds

    // Who stands still, or whose machine is gone, holds the lock as long as PostgreSQL believes in the connection: two
    // hours, by its default. So it does not wait for that.
    private const string EndWhenIdle = "set_config('idle_session_timeout', '30s', false)";

    private readonly SemaphoreSlim _gate = new(1);

    private AdvisoryLease(NpgsqlConnection connection) => Connection = connection;

    /// <summary>The connection that holds the lock.</summary>
    public NpgsqlConnection Connection { get; }

    /// <summary>The lease, or null while another process holds it.</summary>
    /// <param name="database">Where the lock lives.</param>
    /// <param name="name">Of what is led; the same name is the same lock in every process.</param>
    /// <param name="ct">Stops trying.</param>
    /// <exception cref="NpgsqlException">The database does not answer.</exception>
    public static async Task<AdvisoryLease?> TryAcquireAsync(NpgsqlDataSource database, string name, CancellationToken ct)
    {
        var connection = await database.OpenConnectionAsync(ct);
        try
        {
            // In one: a lock must not go back to the pool without its limit.
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

    /// <summary>The lock, in SQL.</summary>
    /// <param name="name">An expression: the name of the lease.</param>
    internal static string Key(string name) => $"hashtextextended('watchword ' || {name}, 0)";

    /// <summary>False when the connection is known to be broken, and the lease with it.</summary>
    public bool IsHeld => Connection.State == System.Data.ConnectionState.Open;

    /// <summary>Whether the lock is still held; asks the server.</summary>
    /// <exception cref="NpgsqlException">The connection broke, and the lease with it.</exception>
    public async Task CheckAsync(CancellationToken ct)
    {
        await using var command = new NpgsqlCommand("SELECT");
        await ExecuteAsync(command, ct);
    }

    /// <summary>Runs a statement as long as the lease is held, by the session that holds it; several threads may. The number of rows.</summary>
    /// <exception cref="NpgsqlException">The statement failed, or the connection broke, and the lease with it.</exception>
    public async Task<int> ExecuteAsync(NpgsqlCommand command, CancellationToken ct)
    {
        await _gate.WaitAsync(ct);
        try
        {
            if (!IsHeld)
                throw new NpgsqlException("the lease is lost: its connection broke");
            command.Connection = Connection;
            return await command.ExecuteNonQueryAsync(ct);
        }
        finally
        {
            _gate.Release();
        }
    }

    /// <summary>Gives the lock back. Safe to call twice.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Connection.State == System.Data.ConnectionState.Open)
        {
            try
            {
                // The pool resets both only when the connection is used again: until then it may be idle.
                await using var command = new NpgsqlCommand("SELECT pg_advisory_unlock_all(); RESET idle_session_timeout", Connection) { CommandTimeout = LastWords };
                await command.ExecuteNonQueryAsync(CancellationToken.None);
            }
            catch (NpgsqlException)
            {
                // Broken, or by the silence of a server that hangs: it releases the lock itself.
            }
        }
        await Connection.DisposeAsync();
        _gate.Dispose();
    }
}
