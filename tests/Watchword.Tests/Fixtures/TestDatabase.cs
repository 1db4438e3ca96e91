using Dapper;
using Npgsql;
using Watchword.Events.Outbox;
using Watchword.Server.Store;

namespace Watchword.Tests;

/// <summary>One test's own database.</summary>
public sealed class TestDatabase(string connectionString) : IAsyncDisposable
{
    public string ConnectionString { get; } = connectionString;

    public NpgsqlDataSource Source { get; } = NpgsqlDataSource.Create(connectionString);

    public async Task<int> ExecuteAsync(string sql, object? parameters = null)
    {
        await using var connection = await Source.OpenConnectionAsync();
        return await connection.ExecuteAsync(sql, parameters);
    }

    public async Task<T> ScalarAsync<T>(string sql, object? parameters = null)
    {
        await using var connection = await Source.OpenConnectionAsync();
        return (await connection.ExecuteScalarAsync<T>(sql, parameters))!;
    }

    public async Task<List<T>> QueryAsync<T>(string sql, object? parameters = null)
    {
        await using var connection = await Source.OpenConnectionAsync();
        return [.. await connection.QueryAsync<T>(sql, parameters)];
    }

    /// <summary>The identity tables of this database, in schema <c>public</c>.</summary>
    internal async Task<IdentityTables> TablesAsync()
    {
        await using var connection = await Source.OpenConnectionAsync();
        return (await IdentityTables.FindAsync(connection, "public", TestContext.Current.CancellationToken))!;
    }

    /// <summary>The server's store on this database, which holds the identity schema.</summary>
    internal async Task<IdentityStore> StoreAsync(NpgsqlDataSource? source = null, OutboxSignal? signal = null) =>
        new(source ?? Source, await TablesAsync(), signal ?? new OutboxSignal());

    public ValueTask DisposeAsync() => Source.DisposeAsync();
}
