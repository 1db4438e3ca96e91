using System.Globalization;
using System.Text;
using System.Text.Json;
using Npgsql;
using Watchword.Events.Postgres;

namespace Watchword.Events.Subscribing;

/// <summary>The dead letters of a database, for operators to list, redrive and discard. The consumer's own process handles what is redriven.</summary>
public sealed class DeadLetters(NpgsqlDataSource database)
{
    private const string Columns = """
        p.id, p.consumer, p.subject, p.key, coalesce(p.reason, ''), p.attempts, p.sequence, p.parked_at,
        (SELECT count(*) FROM watchword.parked_event w WHERE w.consumer = p.consumer AND w.queue = p.queue AND w.resolved_at IS NULL AND w.id > p.id)
        """;

    // A letter that somebody asked for already is on its way.
    private const string Redrivable = """
        p.state = 'failed' AND p.due_at IS NULL AND p.requested_by IS NULL
        AND ($1::bigint IS NULL OR p.id = $1::bigint) AND ($2::text IS NULL OR p.consumer = $2) AND ($3::text IS NULL OR p.key = $3)
        """;

    private const string Ask = $"""
        WITH asked AS (
          UPDATE watchword.parked_event p SET due_at = clock_timestamp(), requested_by = $4 WHERE {Redrivable} RETURNING p.id, p.consumer, p.event, p.key),
        noted AS (
          INSERT INTO watchword.dead_letter_action (actor, action, consumer, letter, event, key)
          SELECT $4, 'redrive', consumer, id, event, key FROM asked)
        SELECT {Columns} FROM watchword.parked_event p WHERE p.id IN (SELECT id FROM asked) ORDER BY p.id
        """;

    private const string Which = "p.state = 'failed' AND ($1::text IS NULL OR p.consumer = $1) AND ($2::text IS NULL OR p.key = $2)";

    /// <summary>Whether a subscriber has ever worked on this database.</summary>
    public async Task<bool> ExistAsync(CancellationToken ct = default)
    {
        await using var command = database.CreateCommand("SELECT to_regclass('watchword.parked_event') IS NOT NULL");
        return await command.ExecuteScalarAsync(ct) is true;
    }

    /// <summary>Lists dead letters, oldest first.</summary>
    /// <param name="consumer">The consumer; null: every consumer.</param>
    /// <param name="key">The user or organization; null: everybody.</param>
    /// <param name="limit">The most to return; null: all.</param>
    /// <param name="ct">Gives up.</param>
    public async Task<IReadOnlyList<DeadLetter>> ListAsync(string? consumer = null, string? key = null, long? limit = null, CancellationToken ct = default) =>
        !await ExistAsync(ct) ? [] : await ReadAsync($"SELECT {Columns} FROM watchword.parked_event p WHERE {Which} ORDER BY p.id LIMIT $3::text::bigint",
            ct, consumer, key, limit?.ToString(CultureInfo.InvariantCulture));

    /// <summary>Counts dead letters.</summary>
    /// <inheritdoc cref="ListAsync"/>
    public async Task<long> CountAsync(string? consumer = null, string? key = null, CancellationToken ct = default)
    {
        if (!await ExistAsync(ct))
            return 0;
        await using var command = Command($"SELECT count(*) FROM watchword.parked_event p WHERE {Which}", consumer, key);
        return (long)(await command.ExecuteScalarAsync(ct))!;
    }

    /// <summary>All details of a parked event; null when there is none of that id.</summary>
    public async Task<ParkedEventDetails?> FindAsync(long id, CancellationToken ct = default)
    {
        if (!await ExistAsync(ct))
            return null;
        var behind = await BehindAsync(id, ct);
        await using var command = Command("""
            SELECT id, consumer, state, subject, key, reason, attempts, stream, sequence, event, parked_at, resolved_at, resolved_by, resolution,
                   headers::text, payload,
                   (SELECT count(*) FROM watchword.parked_event w WHERE w.consumer = p.consumer AND w.queue = p.queue AND w.resolved_at IS NULL AND w.id > p.id)
            FROM watchword.parked_event p WHERE id = $1
            """, id);
        await using var row = await command.ExecuteReaderAsync(ct);
        return !await row.ReadAsync(ct) ? null : new(
            row.GetInt64(0), row.GetString(1), row.GetString(2), row.GetString(3), Text(4), Text(5), row.GetInt32(6), row.GetString(7), row.GetInt64(8),
            row.GetString(9), row.GetDateTime(10), row.IsDBNull(11) ? null : row.GetDateTime(11), Text(12), Text(13),
            JsonSerializer.Deserialize(row.GetString(14), DeadLetterJson.Default.StringArrayArray)!, Encoding.UTF8.GetString(row.GetFieldValue<byte[]>(15)), row.GetInt64(16), behind);

        string? Text(int column) => row.IsDBNull(column) ? null : row.GetString(column);
    }

    /// <summary>What <see cref="RedriveAsync(string, string?, string, CancellationToken)"/> would ask for, without asking.</summary>
    /// <exception cref="DeadLetterException">There is nothing to redrive; says what became of it.</exception>
    public Task<IReadOnlyList<DeadLetter>> PreviewAsync(string consumer, string? key, CancellationToken ct = default) =>
        RedrivableAsync($"SELECT {Columns} FROM watchword.parked_event p WHERE {Redrivable} ORDER BY p.id", null, consumer, key, null, ct);

    /// <inheritdoc cref="PreviewAsync(string, string?, CancellationToken)"/>
    public Task<IReadOnlyList<DeadLetter>> PreviewAsync(long id, CancellationToken ct = default) =>
        RedrivableAsync($"SELECT {Columns} FROM watchword.parked_event p WHERE {Redrivable} ORDER BY p.id", id, null, null, null, ct);

    /// <summary>
    /// Asks the consumer to handle dead letters again, each followed by the events behind it, in order. The consumer does so at
    /// once, or when it runs again.
    /// </summary>
    /// <exception cref="DeadLetterException">There is nothing to redrive; says what became of it.</exception>
    public Task<IReadOnlyList<DeadLetter>> RedriveAsync(string consumer, string? key, string actor, CancellationToken ct = default) => RedrivableAsync(Ask, null, consumer, key, actor, ct);

    /// <inheritdoc cref="RedriveAsync(string, string?, string, CancellationToken)"/>
    public Task<IReadOnlyList<DeadLetter>> RedriveAsync(long id, string actor, CancellationToken ct = default) => RedrivableAsync(Ask, id, null, null, actor, ct);

    /// <summary>Gives up a dead letter, for a reason that is kept. The events behind it are handled now.</summary>
    /// <exception cref="DeadLetterException">There is no such dead letter, it is being handled at this moment, or no reason was given.</exception>
    public async Task DiscardAsync(long id, string reason, string actor, CancellationToken ct = default)
    {
        if (string.IsNullOrWhiteSpace(reason))
            throw new DeadLetterException("reason is missing: say why the event may be given up; the reason is stored with who discarded it");
        if (!await ExistAsync(ct))
            throw new DeadLetterException($"there is no dead letter {id}");
        await using var command = Command($"""
            -- A letter that its consumer is handling now is the consumer's to resolve, if that process lives.
            -- Due once more, so that the consumer looks at the queue, and handles what is next or frees the key.
            WITH gone AS (
              UPDATE watchword.parked_event
              SET state = 'discarded', due_at = clock_timestamp(), resolved_at = clock_timestamp(), resolved_by = $2, resolution = $3
              WHERE id = $1 AND state = 'failed' AND (began_by IS NULL OR pg_try_advisory_xact_lock({AdvisoryLease.Key("'subscriber ' || consumer")}))
              RETURNING id, consumer, event, key),
            noted AS (
              INSERT INTO watchword.dead_letter_action (actor, action, consumer, letter, event, key, reason)
              SELECT $2, 'discard', consumer, id, event, key, $3 FROM gone)
            SELECT count(*) FROM gone
            """, id, actor, reason);
        if (await command.ExecuteScalarAsync(ct) is not 1L)
            throw await NothingAsync(id, ct);
    }

    /// <summary>How far a redrive has come, in the order of the letters.</summary>
    public async Task<IReadOnlyList<RedriveOutcome>> OutcomesAsync(IReadOnlyList<DeadLetter> asked, CancellationToken ct = default)
    {
        ArgumentNullException.ThrowIfNull(asked);
        var outcomes = new List<RedriveOutcome>(asked.Count);
        await using var command = Command("""
            WITH asked AS (SELECT id, consumer, queue FROM watchword.parked_event WHERE id = ANY ($1)),
            open AS (
              SELECT consumer, queue, count(*) AS left_over, min(id) AS head FROM watchword.parked_event
              WHERE resolved_at IS NULL AND consumer IN (SELECT consumer FROM asked) GROUP BY consumer, queue)
            SELECT coalesce(open.left_over, 0), head.reason, coalesce(head.state = 'failed' AND head.requested_by IS NULL OR head.state = 'retrying', false)
            FROM unnest($1) WITH ORDINALITY AS wanted (id, place) JOIN asked USING (id)
            LEFT JOIN open USING (consumer, queue) LEFT JOIN watchword.parked_event head ON head.id = open.head
            ORDER BY wanted.place
            """, asked.Select(l => l.Id).ToArray());
        await using var row = await command.ExecuteReaderAsync(ct);
        foreach (var letter in asked)
        {
            if (!await row.ReadAsync(ct))
                break;
            var (left, stopped) = (row.GetInt64(0), row.GetBoolean(2));
            outcomes.Add(new(letter, Math.Max(0, letter.Waiting + 1 - left), left, stopped && !row.IsDBNull(1) ? row.GetString(1) : null, left > 0 && !stopped));
        }
        return outcomes;
    }

    private async Task<IReadOnlyList<DeadLetter>> RedrivableAsync(string sql, long? id, string? consumer, string? key, string? actor, CancellationToken ct)
    {
        object?[] values = actor is null ? [id, consumer, key] : [id, consumer, key, actor];
        if (await ExistAsync(ct) && await ReadAsync(sql, ct, values) is { Count: > 0 } found)
            return found;
        throw id is { } one ? await NothingAsync(one, ct) : new DeadLetterException(await WhyNothingAsync("consumer = $1 AND ($2::text IS NULL OR key = $2)",
            key is null ? $"consumer {consumer} has no dead letters" : $"consumer {consumer} has no dead letters of {key}", ct, consumer, key));
    }

    private async Task<DeadLetterException> NothingAsync(long id, CancellationToken ct) => new(await WhyNothingAsync("id = $1", $"there is no dead letter {id}", ct, id));

    private async Task<string> WhyNothingAsync(string which, string nothing, CancellationToken ct, params object?[] values)
    {
        if (!await ExistAsync(ct))
            return nothing;
        await using var command = Command($"""
            SELECT CASE state
              WHEN 'redriven'  THEN format('dead letter %s was redriven already, at %s by %s', id, watchword_at, coalesce(resolved_by, 'its consumer'))
              WHEN 'discarded' THEN format('dead letter %s was discarded, at %s by %s: %s', id, watchword_at, resolved_by, resolution)
              WHEN 'superseded' THEN format('dead letter %s was closed, at %s: %s', id, watchword_at, resolution)
              WHEN 'waiting'   THEN format('event %s is not a dead letter: it only waits behind one of its key', id)
              WHEN 'retrying'  THEN format('event %s is not a dead letter yet: it is being retried', id)
              ELSE format('dead letter %s is being redriven already, asked for by %s', id, requested_by) END
            FROM (SELECT *, to_char(resolved_at AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI:SS "UTC"') AS watchword_at
                  FROM watchword.parked_event WHERE {which} ORDER BY resolved_at IS NULL DESC, resolved_at DESC, id LIMIT 1) AS found
            """, values);
        return await command.ExecuteScalarAsync(ct) as string ?? nothing;
    }

    private async Task<IReadOnlyList<WaitingEvent>> BehindAsync(long id, CancellationToken ct)
    {
        await using var command = Command("""
            SELECT w.id, w.subject, w.sequence, w.parked_at
            FROM watchword.parked_event p JOIN watchword.parked_event w ON w.consumer = p.consumer AND w.queue = p.queue AND w.id > p.id
            WHERE p.id = $1 AND w.resolved_at IS NULL ORDER BY w.id LIMIT 100
            """, id);
        await using var row = await command.ExecuteReaderAsync(ct);
        var behind = new List<WaitingEvent>();
        while (await row.ReadAsync(ct))
            behind.Add(new(row.GetInt64(0), row.GetString(1), row.GetInt64(2), row.GetDateTime(3)));
        return behind;
    }

    private async Task<IReadOnlyList<DeadLetter>> ReadAsync(string sql, CancellationToken ct, params object?[] values)
    {
        await using var command = Command(sql, values);
        await using var row = await command.ExecuteReaderAsync(ct);
        var letters = new List<DeadLetter>();
        while (await row.ReadAsync(ct))
            letters.Add(new(row.GetInt64(0), row.GetString(1), row.GetString(2), row.IsDBNull(3) ? null : row.GetString(3), row.GetString(4),
                row.GetInt32(5), row.GetInt64(6), row.GetDateTime(7), row.GetInt64(8)));
        return letters;
    }

    private NpgsqlCommand Command(string sql, params object?[] values)
    {
        var command = database.CreateCommand(sql);
        command.CommandTimeout = 0;   // there may be a million; the caller can cancel
        foreach (var value in values)
            command.Parameters.Add(value is null ? new() { Value = DBNull.Value, NpgsqlDbType = NpgsqlTypes.NpgsqlDbType.Text } : new() { Value = value });
        return command;
    }
}
