using System.Data;
using Npgsql;

namespace Watchword.Events.Subscribing;

/// <summary>
/// A transaction of handlers' effects. A handler that was given up may be at work in it still: then its session is ended
/// on the server first. Closed under a running statement, a connection hangs (npgsql #3457); back in the pool, it would
/// have that handler's next statement in another event's transaction.
/// </summary>
internal sealed class EffectsTransaction : IAsyncDisposable
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly NpgsqlDataSource _database;
    private readonly NpgsqlConnection _connection;
    private bool _isShared;

    private EffectsTransaction(NpgsqlDataSource database, NpgsqlConnection connection, NpgsqlTransaction transaction) =>
        (_database, _connection, Transaction) = (database, connection, transaction);

    public NpgsqlTransaction Transaction { get; }

    public static async Task<EffectsTransaction> BeginAsync(NpgsqlDataSource database, CancellationToken ct)
    {
        var connection = await database.OpenConnectionAsync(ct);
        try
        {
            return new(database, connection, await connection.BeginTransactionAsync(ct));
        }
        catch
        {
            await connection.DisposeAsync();
            throw;
        }
    }

    /// <inheritdoc cref="HandlerCall.RunAsync"/>
    public async ValueTask RunAsync(HandlerCall call, Func<EventContext, CancellationToken, Task> handle, EventContext context)
    {
        if (context.IsAbandoned)
            context = context.Again();
        context.Transaction = Transaction;
        try
        {
            await call.RunAsync(handle, context);
        }
        finally
        {
            _isShared |= context.IsAbandoned;
        }
    }

    /// <summary>Undoes what was not committed.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_isShared && !await TryEndSessionAsync())
            return;   // left to the garbage collector: one place less in the pool, where the lane would hang
        await Transaction.DisposeAsync();
        await _connection.DisposeAsync();
    }

    private async Task<bool> TryEndSessionAsync()
    {
        using var patience = new CancellationTokenSource(Patience);
        try
        {
            var session = _connection.State == ConnectionState.Open ? _connection.ProcessID : 0;
            await using var end = _database.CreateCommand("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid = $1");
            end.Parameters.Add(new() { Value = session });
            while (await end.ExecuteScalarAsync(patience.Token) is not null)
                await Task.Delay(Poll, patience.Token);
            while (_connection.FullState is var state && (state.HasFlag(ConnectionState.Executing) || state.HasFlag(ConnectionState.Fetching)))
                await Task.Delay(Poll, patience.Token);   // the statement in it has yet to notice
            return true;
        }
        catch (Exception e) when (e is NpgsqlException or IOException or TimeoutException or OperationCanceledException)
        {
            return false;
        }
    }
}
