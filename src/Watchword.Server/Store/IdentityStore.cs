using System.Diagnostics;
using Npgsql;
using NpgsqlTypes;
using Polly;
using Polly.Retry;
using Watchword.Events.Outbox;

namespace Watchword.Server.Store;

/// <summary>Who changes something, and why; travels into the headers of the events that the change leaves.</summary>
/// <param name="CorrelationId">Of the request; null when unknown.</param>
/// <param name="Actor">The user who acts; null before anyone is signed in.</param>
/// <param name="Origin">The service that causes it, as it calls itself; null when it does not say.</param>
/// <param name="ClientIp">The client's address; kept in the outbox for enrichment, never published as a header.</param>
/// <param name="UserAgent">The client's program; likewise.</param>
internal readonly record struct ChangeContext(
    string? CorrelationId, string? Actor = null, string? Origin = null, string? ClientIp = null, string? UserAgent = null);

/// <summary>The identity database: one round trip a write, in one transaction, which wakes the relay.</summary>
internal sealed class IdentityStore(NpgsqlDataSource database, OutboxSignal outbox)
{
    // Two writers of one user can deadlock, or lose their turn to a migration: the statement is simply run again.
    private static readonly ResiliencePipeline Retries = new ResiliencePipelineBuilder()
        .AddRetry(new RetryStrategyOptions
        {
            MaxRetryAttempts = 3,
            Delay = TimeSpan.FromMilliseconds(10),
            BackoffType = DelayBackoffType.Exponential,
            UseJitter = true,
            ShouldHandle = new PredicateBuilder().Handle<PostgresException>(e =>
                e.SqlState is PostgresErrorCodes.DeadlockDetected or PostgresErrorCodes.SerializationFailure),
        })
        .Build();

    public NpgsqlDataSource Database => database;

    /// <summary>
    /// Runs the statements in one transaction and one round trip, then wakes the relay. Answers what
    /// <paramref name="read"/> makes of the last statement's first row, or the default when it has none. No other
    /// statement may answer rows.
    /// </summary>
    public async Task<T?> WriteAsync<T>(ChangeContext context, IReadOnlyList<Statement> statements, Func<NpgsqlDataReader, T> read, CancellationToken ct)
    {
        var answer = await Retries.ExecuteAsync(token => RunAsync(context, statements, read, token), ct);
        outbox.Pulse();
        return answer;
    }

    /// <summary>What <paramref name="read"/> makes of the first row, or the default when there is none.</summary>
    public async Task<T?> ReadAsync<T>(Statement statement, Func<NpgsqlDataReader, T> read, CancellationToken ct)
    {
        await using var command = database.CreateCommand(statement.Sql);
        foreach (var value in statement.Values)
            command.Parameters.Add(Parameter(value));
        await using var reader = await command.ExecuteReaderAsync(ct);
        return await reader.ReadAsync(ct) ? read(reader) : default;
    }

    private async ValueTask<T?> RunAsync<T>(ChangeContext context, IReadOnlyList<Statement> statements, Func<NpgsqlDataReader, T> read, CancellationToken ct)
    {
        // Statements of one batch share one implicit transaction, and the settings end with it.
        await using var batch = database.CreateBatch();
        batch.BatchCommands.Add(Command(new("""
            SELECT set_config('watchword.notify', 'off', true), set_config('watchword.correlation_id', $1, true),
                   set_config('watchword.actor', $2, true), set_config('watchword.traceparent', $3, true),
                   set_config('watchword.origin', $4, true), set_config('watchword.client_ip', $5, true),
                   set_config('watchword.user_agent', $6, true)
            """, context.CorrelationId ?? "", context.Actor ?? "", TraceParent() ?? "",
            context.Origin ?? "", context.ClientIp ?? "", context.UserAgent ?? "")));
        foreach (var statement in statements)
            batch.BatchCommands.Add(Command(statement));

        await using var reader = await batch.ExecuteReaderAsync(ct);
        await reader.NextResultAsync(ct);   // from the settings' row to the last statement's: none between answers rows
        var answer = await reader.ReadAsync(ct) ? read(reader) : default;
        // Errors of the commit itself surface here.
        while (await reader.NextResultAsync(ct))
        {
        }
        return answer;
    }

    // What a client sends as traceparent and is none would be its own text in everybody's headers.
    private static string? TraceParent() => Activity.Current is { IdFormat: ActivityIdFormat.W3C } activity ? activity.Id : null;

    private static NpgsqlBatchCommand Command(Statement statement)
    {
        var command = new NpgsqlBatchCommand(statement.Sql);
        foreach (var value in statement.Values)
            command.Parameters.Add(Parameter(value));
        return command;
    }

    private static NpgsqlParameter Parameter(object? value) => value switch
    {
        null => new() { Value = DBNull.Value, NpgsqlDbType = NpgsqlDbType.Text },
        _ => new() { Value = value },
    };
}

/// <summary>SQL with its positional parameters.</summary>
internal readonly record struct Statement(string Sql, params object?[] Values);
