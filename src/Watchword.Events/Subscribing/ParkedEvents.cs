using Npgsql;
using Watchword.Events.Postgres;

namespace Watchword.Events.Subscribing;

/// <summary>
/// The parked events of one consumer, rows of <c>watchword.parked_event</c>. Only the process that holds the consumer's
/// lease writes them. Their states are drawn in decision 10.
/// </summary>
internal sealed class ParkedEvents(NpgsqlDataSource database, string consumer)
{
    /// <summary>The reason of an event that was being handled, alone, when its process died.</summary>
    public const string DiedWithIt = "the process ended while it was handled";

    private static readonly Guid Process = Guid.NewGuid();

    private static readonly string Taken = $"began_by = '{Process}', attempts = attempts + 1, due_at = CASE WHEN state <> 'failed' THEN coalesce(due_at, clock_timestamp()) END";

    private const string Died = "CASE WHEN reason LIKE '%' || $2 THEN reason ELSE concat_ws('; ', reason, $2) END";

    private static string Takeable(string maxAttempts) =>
        $"resolved_at IS NULL AND NOT suspect AND (state = 'waiting' OR due_at <= now()) AND (state = 'failed' OR attempts < {maxAttempts})";

    /// <summary>Adds events in their order. False when one of them was parked already.</summary>
    /// <param name="lease">Its session writes the rows: a process that has lost the lease must not add what its successor does not know.</param>
    /// <param name="requests">The events.</param>
    /// <param name="ct">Gives up.</param>
    public async Task<bool> AddAsync(AdvisoryLease lease, IReadOnlyList<ParkRequest> requests, CancellationToken ct)
    {
        await using var command = Command(new NpgsqlCommand("""
            INSERT INTO watchword.parked_event
              (consumer, queue, key, event, stream, sequence, subject, headers, payload, stored_at, state, reason, attempts, due_at, suspect)
            SELECT $1, i.queue, i.key, i.event, i.stream, i.sequence, i.subject, i.headers::jsonb, i.payload, i.stored_at,
                   i.state, i.reason, i.attempts, clock_timestamp() + i.delay, i.suspect
            FROM unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[], $9::bytea[],
                        $10::timestamptz[], $11::text[], $12::text[], $13::integer[], $14::interval[], $15::boolean[])
              WITH ORDINALITY AS i (queue, key, event, stream, sequence, subject, headers, payload, stored_at, state, reason, attempts, delay, suspect, place)
            ORDER BY i.place
            ON CONFLICT (consumer, event) WHERE resolved_at IS NULL DO NOTHING
            """),
            requests.Select(r => r.Context.Queue).ToArray(), requests.Select(r => r.Context.Key).ToArray(),
            requests.Select(r => r.Context.EventId).ToArray(), requests.Select(r => r.Context.Stream).ToArray(),
            requests.Select(r => r.Context.Sequence).ToArray(), requests.Select(r => ParkedEvent.Storable(r.Context.Subject)).ToArray(),
            requests.Select(r => ParkedEvent.WriteHeaders(r.Context.Headers)).ToArray(), requests.Select(r => r.Context.Payload.ToArray()).ToArray(),
            requests.Select(r => r.Context.StoredAt.UtcDateTime).ToArray(), requests.Select(r => r.State).ToArray(),
            requests.Select(r => r.Reason is { } reason ? Kept(reason) : null).ToArray(), requests.Select(r => r.Attempts).ToArray(), requests.Select(r => r.Delay).ToArray(),
            requests.Select(r => r.Suspect).ToArray());
        return await lease.ExecuteAsync(command, ct) == requests.Count;
    }

    /// <summary>
    /// Sets right what the last process left behind, at the head of each queue. Nothing was being handled: the head is due.
    /// This very process could not give it back: the attempt does not count. Another process died while it handled the
    /// event beside others: the attempt does not count, and the event is tried alone. It died while it handled the event
    /// alone: the attempt counts. It died during a redrive: the event is a dead letter until somebody asks again.
    /// </summary>
    public async Task RecoverAsync(CancellationToken ct)
    {
        await using var command = Command($"""
            WITH head AS (
              SELECT DISTINCT ON (queue) id, state, due_at, suspect, began_by, requested_by FROM watchword.parked_event
              WHERE consumer = $1 AND resolved_at IS NULL ORDER BY queue, id),
            idle AS (
              UPDATE watchword.parked_event p SET due_at = clock_timestamp()
              FROM head WHERE p.id = head.id AND head.state <> 'failed' AND head.due_at IS NULL AND head.began_by IS NULL),
            own AS (
              UPDATE watchword.parked_event p SET began_by = NULL, due_at = clock_timestamp(), attempts = attempts - 1
              FROM head WHERE p.id = head.id AND head.began_by = $3),
            beside AS (
              UPDATE watchword.parked_event p SET began_by = NULL, due_at = clock_timestamp(), attempts = attempts - 1, suspect = true
              FROM head WHERE p.id = head.id AND head.state <> 'failed' AND head.began_by <> $3 AND NOT head.suspect),
            alone AS (
              UPDATE watchword.parked_event p SET began_by = NULL, due_at = clock_timestamp(), reason = {Died}
              FROM head WHERE p.id = head.id AND head.state <> 'failed' AND head.began_by <> $3 AND head.suspect)
            UPDATE watchword.parked_event p SET began_by = NULL, requested_by = NULL, copied = false, reason = {Died}
            FROM head WHERE p.id = head.id AND head.state = 'failed'
              AND (head.began_by <> $3 OR (head.began_by IS NULL AND head.due_at IS NULL AND head.requested_by IS NOT NULL))
            """, DiedWithIt, Process);
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>The queues that hold an open event, and whether their first one is to be tried alone.</summary>
    public async Task<List<(string Queue, bool Suspect)>> OpenQueuesAsync(CancellationToken ct)
    {
        await using var command = Command("""
            SELECT DISTINCT ON (queue) queue, suspect FROM watchword.parked_event
            WHERE consumer = $1 AND resolved_at IS NULL ORDER BY queue, id
            """);
        await using var reader = await command.ExecuteReaderAsync(ct);
        var queues = new List<(string, bool)>();
        while (await reader.ReadAsync(ct))
            queues.Add((reader.GetString(0), reader.GetBoolean(1)));
        return queues;
    }

    /// <summary>
    /// Takes the heads of the queues that are due, longest due first. A head is null where it cannot be handled now, or
    /// was discarded and nothing is behind it. Events that are tried alone are left out.
    /// </summary>
    /// <param name="limit">The most queues to take.</param>
    /// <param name="atWork">Queues to leave out.</param>
    /// <param name="maxAttempts">How often an event is tried.</param>
    /// <param name="ct">Gives up.</param>
    public async Task<List<(string Queue, ParkedEvent? Head)>> BeginDueAsync(int limit, IEnumerable<string> atWork, int maxAttempts, CancellationToken ct)
    {
        await using var command = Command($"""
            WITH due AS (
              SELECT queue AS due_queue, min(due_at) AS since, bool_or(resolved_at IS NOT NULL) AS discarded FROM (
                SELECT queue, due_at, resolved_at FROM watchword.parked_event
                WHERE consumer = $1 AND due_at <= now() AND queue <> ALL ($2) AND NOT (suspect AND attempts < $4) ORDER BY due_at LIMIT $3) d
              GROUP BY queue),
            noted AS (
              UPDATE watchword.parked_event p SET due_at = NULL
              FROM due WHERE due.discarded AND p.consumer = $1 AND p.queue = due_queue AND p.due_at IS NOT NULL AND p.resolved_at IS NOT NULL),
            heads AS (
              SELECT due_queue, since, (SELECT id FROM watchword.parked_event WHERE consumer = $1 AND queue = due_queue AND resolved_at IS NULL ORDER BY id LIMIT 1) AS head_id
              FROM due),
            taken AS (
              -- As an array, so that PostgreSQL looks the few rows up by id, whatever its statistics say.
              UPDATE watchword.parked_event SET {Taken}
              WHERE id = ANY (ARRAY(SELECT head_id FROM heads)) AND {Takeable("$4")}
              RETURNING {ParkedEvent.Columns})
            SELECT taken.*, due_queue FROM heads LEFT JOIN taken ON queue = due_queue ORDER BY since
            """, atWork.ToArray(), limit, maxAttempts);
        await using var reader = await command.ExecuteReaderAsync(ct);
        var queues = new List<(string, ParkedEvent?)>();
        while (await reader.ReadAsync(ct))
            queues.Add((reader.GetString(reader.FieldCount - 1), reader.IsDBNull(0) ? null : ParkedEvent.Read(reader)));
        return queues;
    }

    /// <summary>The first open event of a queue; null when the queue is empty.</summary>
    public async Task<ParkedEvent?> HeadAsync(string queue, CancellationToken ct)
    {
        await using var command = Command($"""
            SELECT {ParkedEvent.Columns} FROM watchword.parked_event
            WHERE consumer = $1 AND queue = $2 AND resolved_at IS NULL ORDER BY id LIMIT 1
            """, queue);
        await using var reader = await command.ExecuteReaderAsync(ct);
        return await reader.ReadAsync(ct) ? ParkedEvent.Read(reader) : null;
    }

    /// <summary>
    /// Takes the head of a queue, if it is due. The attempt is counted before it is made: one that kills the process counts
    /// too, so that no event is tried more often than <paramref name="maxAttempts"/>.
    /// </summary>
    public async Task<ParkedEvent?> BeginAsync(string queue, int maxAttempts, CancellationToken ct)
    {
        await using var command = Command($"""
            UPDATE watchword.parked_event SET {Taken}
            WHERE id = (SELECT id FROM watchword.parked_event WHERE consumer = $1 AND queue = $2 AND resolved_at IS NULL ORDER BY id LIMIT 1)
              AND {Takeable("$3")}
            RETURNING {ParkedEvent.Columns}
            """, queue, maxAttempts);
        await using var reader = await command.ExecuteReaderAsync(ct);
        return await reader.ReadAsync(ct) ? ParkedEvent.Read(reader) : null;
    }

    /// <summary>As <see cref="BeginAsync"/>, the next event of any queue that is to be tried alone.</summary>
    public async Task<ParkedEvent?> BeginSuspectAsync(int maxAttempts, CancellationToken ct)
    {
        await using var command = Command($"""
            UPDATE watchword.parked_event SET {Taken}
            WHERE id = (
              SELECT id FROM watchword.parked_event
              WHERE consumer = $1 AND due_at IS NOT NULL AND suspect AND attempts < $2 AND resolved_at IS NULL ORDER BY id LIMIT 1)
            RETURNING {ParkedEvent.Columns}
            """, maxAttempts);
        await using var reader = await command.ExecuteReaderAsync(ct);
        return await reader.ReadAsync(ct) ? ParkedEvent.Read(reader) : null;
    }

    /// <summary>The event was handled: a dead letter is kept as redriven, any other row is deleted.</summary>
    public async Task ResolveAsync(ParkedEvent parked, NpgsqlTransaction? transaction, CancellationToken ct)
    {
        const string sql = """
            WITH gone AS (
              DELETE FROM watchword.parked_event WHERE id = $2 AND state IN ('retrying', 'waiting') AND requested_by IS NULL)
            UPDATE watchword.parked_event
            SET state = 'redriven', due_at = NULL, began_by = NULL, resolved_at = clock_timestamp(), resolved_by = requested_by
            WHERE id = $2 AND consumer = $1 AND (state = 'failed' OR (state = 'retrying' AND requested_by IS NOT NULL))
            """;
        await using var command = Command(transaction is null ? database.CreateCommand(sql) : new NpgsqlCommand(sql, transaction.Connection, transaction), parked.Id);
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>The event was taken and not handled, through no fault of its own: the attempt does not count.</summary>
    public async Task GiveBackAsync(ParkedEvent taken, CancellationToken ct)
    {
        await using var command = Command("""
            UPDATE watchword.parked_event SET attempts = attempts - 1, due_at = clock_timestamp(), began_by = NULL
            WHERE id = $2 AND consumer = $1 AND attempts = $3 AND resolved_at IS NULL
            """, taken.Id, taken.Attempts);
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>
    /// The events failed: each is retried after its delay, or becomes a dead letter where it has none. One that waits for
    /// something else begins to count anew, and remembers who asked for its redrive.
    /// </summary>
    /// <returns>The ids of the rows written; rows that were resolved meanwhile are missing.</returns>
    public async Task<HashSet<long>> FailAsync(IReadOnlyList<FailedEvent> failed, CancellationToken ct)
    {
        await using var command = Command("""
            UPDATE watchword.parked_event p
            SET reason = f.reason, due_at = clock_timestamp() + f.delay, began_by = NULL, copied = false, suspect = false,
                state = CASE WHEN f.delay IS NULL THEN 'failed' ELSE 'retrying' END,
                attempts = CASE WHEN f.counts THEN p.attempts ELSE 0 END, requested_by = CASE WHEN NOT f.counts THEN p.requested_by END
            FROM unnest($2::bigint[], $3::text[], $4::interval[], $5::boolean[]) AS f (id, reason, delay, counts)
            WHERE p.id = f.id AND p.consumer = $1 AND p.resolved_at IS NULL
            RETURNING p.id
            """,
            failed.Select(f => f.Head.Id).ToArray(), failed.Select(f => Kept(f.Reason)).ToArray(), failed.Select(f => f.Delay).ToArray(), failed.Select(f => f.Counts).ToArray());
        await using var reader = await command.ExecuteReaderAsync(ct);
        var written = new HashSet<long>();
        while (await reader.ReadAsync(ct))
            written.Add(reader.GetInt64(0));
        return written;
    }

    /// <summary>Dead letters that have no copy in the stream yet, oldest first. Those about to be redriven can wait for the outcome.</summary>
    public async Task<List<ParkedEvent>> UncopiedAsync(CancellationToken ct)
    {
        await using var command = Command($"""
            SELECT {ParkedEvent.Columns} FROM watchword.parked_event
            WHERE consumer = $1 AND state = 'failed' AND NOT copied AND requested_by IS NULL ORDER BY id LIMIT 100
            """);
        await using var reader = await command.ExecuteReaderAsync(ct);
        var letters = new List<ParkedEvent>();
        while (await reader.ReadAsync(ct))
            letters.Add(ParkedEvent.Read(reader));
        return letters;
    }

    /// <summary>The stream has a copy of the dead letter.</summary>
    public async Task CopiedAsync(ParkedEvent letter, CancellationToken ct)
    {
        await using var command = Command("UPDATE watchword.parked_event SET copied = true WHERE id = $2 AND consumer = $1 AND attempts = $3", letter.Id, letter.Attempts);
        await command.ExecuteNonQueryAsync(ct);
    }

    /// <summary>Deletes events that were redriven, discarded or superseded longer ago than the retention.</summary>
    public async Task PruneAsync(TimeSpan retention, CancellationToken ct)
    {
        await using var command = Command("DELETE FROM watchword.parked_event WHERE consumer = $1 AND resolved_at < now() - $2", retention);
        command.CommandTimeout = 0;   // the first after a long time deletes much
        await command.ExecuteNonQueryAsync(ct);
    }

    private static string Kept(string reason) => ParkedEvent.Storable(SubscriberFailure.OneLine(reason));

    private NpgsqlCommand Command(string sql, params object?[] values) => Command(database.CreateCommand(sql), values);

    private NpgsqlCommand Command(NpgsqlCommand command, params object?[] values)
    {
        command.Parameters.Add(new() { Value = consumer });
        foreach (var value in values)
            command.Parameters.Add(new() { Value = value ?? DBNull.Value });
        return command;
    }
}
