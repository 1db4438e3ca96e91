using System.Data;
using Npgsql;

namespace Watchword.Events.Subscribing;

/// <summary>
/// The transaction of handlers' effects. A handler may misuse it: one that was given up may still run in it, another may
/// leave a statement running. Its session is then ended on the server first: a connection that is closed under a running
/// statement hangs (npgsql #3457), and back in the pool it would run that statement in another event's transaction.
/// </summary>
internal sealed class EffectsTransaction : IAsyncDisposable
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(10);
    private static readonly TimeSpan LaterPoll = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan ReaderPatience = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    private readonly NpgsqlDataSource _database;
    private readonly NpgsqlConnection _connection;
    private bool _isShared;

    private EffectsTransaction(NpgsqlDataSource database, NpgsqlConnection connection, NpgsqlTransaction transaction) =>
        (_database, _connection, Transaction) = (database, connection, transaction);

    public NpgsqlTransaction Transaction { get; }

    private bool IsExecuting => _connection.FullState.HasFlag(ConnectionState.Executing);

    private bool IsBusy => IsExecuting || _connection.FullState.HasFlag(ConnectionState.Fetching);

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
    /// <exception cref="InvalidOperationException">The handler left the transaction unusable; says how.</exception>
    public async ValueTask RunAsync(HandlerCall call, Func<EventContext, CancellationToken, Task> handle, EventContext context)
    {
        // A context for each attempt: what is left of an earlier one must not find this transaction.
        var attempt = context.Again();
        attempt.Transaction = Transaction;
        try
        {
            await call.RunAsync(handle, attempt);
            if (IsBusy)
                throw new InvalidOperationException("the handler returned while one of its statements was running, or a reader was open: await and dispose what it begins");
            if (!IsOpen())
                throw new InvalidOperationException("the handler ended the transaction or closed its connection: leave both to the subscriber");
        }
        finally
        {
            context.IsAbandoned |= attempt.IsAbandoned;
            _isShared |= attempt.IsAbandoned || IsBusy;
        }
    }

    /// <summary>Rolls back what was not committed.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_isShared && !await TryEndSessionAsync())
            _ = CloseLaterAsync();
        else
            await CloseAsync();
    }

    // False only when a handler ended it: the commit finds out about a broken connection. IsolationLevel is the one property
    // that throws when the transaction has ended, also by SQL; PostgreSQL has no Chaos.
    private bool IsOpen()
    {
        try
        {
            return _connection.FullState == ConnectionState.Broken || (_connection.FullState != ConnectionState.Closed && Transaction.IsolationLevel != IsolationLevel.Chaos);
        }
        catch (InvalidOperationException)
        {
            return false;
        }
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
            // The running statement has yet to notice; a reader that nobody reads never does.
            for (var giveUp = Deadline.After(ReaderPatience); IsBusy && (IsExecuting || !giveUp.HasPassed);)
                await Task.Delay(Poll, patience.Token);
            return true;
        }
        catch (Exception e) when (e is NpgsqlException or IOException or TimeoutException or OperationCanceledException or InvalidOperationException)
        {
            return false;   // also when the handler closes it at this very moment
        }
    }

    private async Task CloseLaterAsync()
    {
        while (IsExecuting)
            await Task.Delay(LaterPoll);
        await CloseAsync();
    }

    // In this order: otherwise the pool hands the transaction object to the next user, and a handler that kept it would
    // share it.
    private async Task CloseAsync()
    {
        try
        {
            await _connection.DisposeAsync();
        }
        catch (Exception e) when (e is NpgsqlException or IOException or TimeoutException)
        {
            // Broken: the server rolls back, and the first failure is the one to report. Only the second call closes it.
            await _connection.DisposeAsync();
        }
        await Transaction.DisposeAsync();
    }
}
