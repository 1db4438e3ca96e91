using System.Diagnostics;
using Npgsql;
using NpgsqlTypes;
using Polly;
using Polly.Retry;
using Watchword.Events.Outbox;

namespace Watchword.Server.Store;

/// <summary>Who makes a change, and on whose behalf. The events of the change carry it in their headers.</summary>
/// <param name="CorrelationId">The correlation id of the request; null if unknown.</param>
/// <param name="Actor">The user who acts; null before anyone has signed in.</param>
/// <param name="Origin">The service that causes the change, by the name that it gives itself; null if it gives none.</param>
/// <param name="ClientIp">The client's address; kept in the outbox for enrichment, never published as a header.</param>
/// <param name="UserAgent">The client's User-Agent; likewise.</param>
/// <param name="OnBehalfOf">The user whom the actor impersonates; null while everybody acts as themselves.</param>
internal readonly record struct ChangeContext(
    string? CorrelationId, string? Actor = null, string? Origin = null, string? ClientIp = null, string? UserAgent = null,
    string? OnBehalfOf = null);

/// <summary>The identity database. A write is one transaction in one round trip, and wakes the relay.</summary>
internal sealed class IdentityStore(NpgsqlDataSource database, IdentityTables tables, OutboxSignal outbox)
{
    // Two writers of one user can deadlock, also with a migration. PostgreSQL rolls one of them back, and it is retried.
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
    /// Runs the statements in one transaction and one round trip, then wakes the relay. Returns what
    /// <paramref name="read"/> makes of the last statement's first row, or the default if there is none. No other
    /// statement may return rows.
    /// </summary>
    public async Task<T?> WriteAsync<T>(ChangeContext context, IReadOnlyList<Statement> statements, Func<NpgsqlDataReader, T> read, CancellationToken ct)
    {
        var answer = await Retries.ExecuteAsync(token => RunAsync(context, statements, read, token), ct);
        outbox.Pulse();
        return answer;
    }

    /// <summary>Returns what <paramref name="read"/> makes of the first row, or the default if there is none.</summary>
    public async Task<T?> ReadAsync<T>(Statement statement, Func<NpgsqlDataReader, T> read, CancellationToken ct)
    {
        await using var command = database.CreateCommand(tables.Render(statement.Sql));
        foreach (var value in statement.Values)
            command.Parameters.Add(Parameter(value));
        await using var reader = await command.ExecuteReaderAsync(ct);
        return await reader.ReadAsync(ct) ? read(reader) : default;
    }

    private async ValueTask<T?> RunAsync<T>(ChangeContext context, IReadOnlyList<Statement> statements, Func<NpgsqlDataReader, T> read, CancellationToken ct)
    {
        // A batch is one implicit transaction; the settings end with it.
        await using var batch = database.CreateBatch();
        batch.BatchCommands.Add(Command(new("""
            SELECT set_config('watchword.notify', 'off', true), set_config('watchword.correlation_id', $1, true),
                   set_config('watchword.actor', $2, true), set_config('watchword.traceparent', $3, true),
                   set_config('watchword.origin', $4, true), set_config('watchword.client_ip', $5, true),
                   set_config('watchword.user_agent', $6, true), set_config('watchword.on_behalf_of', $7, true)
            """, context.CorrelationId ?? "", context.Actor ?? "", TraceParent() ?? "",
            context.Origin ?? "", context.ClientIp ?? "", context.UserAgent ?? "", context.OnBehalfOf ?? "")));
        foreach (var statement in statements)
            batch.BatchCommands.Add(Command(statement));

        await using var reader = await batch.ExecuteReaderAsync(ct);
        await reader.NextResultAsync(ct);   // skips the row of the settings; only the last statement returns rows
        var answer = await reader.ReadAsync(ct) ? read(reader) : default;
        // An error of the commit itself surfaces here.
        while (await reader.NextResultAsync(ct))
        {
        }
        return answer;
    }

    // Only a W3C id: a malformed traceparent would put the client's own text into event headers.
    private static string? TraceParent() => Activity.Current is { IdFormat: ActivityIdFormat.W3C } activity ? activity.Id : null;

    private NpgsqlBatchCommand Command(Statement statement)
    {
        var command = new NpgsqlBatchCommand(tables.Render(statement.Sql));
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

/// <summary>SQL with its positional parameters. It names tables in braces; see <see cref="IdentityTables"/>.</summary>
internal readonly record struct Statement(string Sql, params object?[] Values);
