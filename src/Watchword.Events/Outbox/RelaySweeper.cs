using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;
using Npgsql;
using Watchword.Events.Contracts;
using Watchword.Events.Enrichment;
using Watchword.Events.Postgres;
using Watchword.Nats;

namespace Watchword.Events.Outbox;

/// <summary>How a sweep ended.</summary>
/// <param name="Marked">Events that the stream has, or that sampling leaves out, and whose rows say so.</param>
/// <param name="LeftOut">Those of them that sampling leaves out.</param>
/// <param name="Failure">Why it ended early; null when it did not, or when only its chain was broken.</param>
/// <param name="ChainBroken">A foreign publisher's message came between: sweep again at once.</param>
internal readonly record struct SweepResult(int Marked, int LeftOut, NatsException? Failure, bool ChainBroken);

/// <summary>
/// Passes over one stream's part of the outbox: everything unpublished in one snapshot, in order, published without
/// waiting for each ack, marked as the acks arrive.
/// </summary>
/// <remarks>
/// One snapshot, because rows become visible out of order: a row that a second read shows may have an older one of
/// its key behind the cursor. Order is kept in one of two ways. Chained: each message names its
/// predecessor (Nats-Expected-Last-Msg-Id), so that whatever fails refuses everything behind it. Where a foreign
/// publisher's messages keep coming between, unchained: a key's next event waits for the ack of its last.
/// </remarks>
internal sealed class RelaySweeper(
    NpgsqlDataSource database, AdvisoryLease lease, JetStreamPublisher publisher, StreamConfig stream, HashSet<string> held, PlacesOfEvents places,
    RelayOptions options, EventEnrichment? enrichment, ILogger logger)
{
    // The server's answer to a chain that a foreign publisher's message broke. Nothing is wrong: start over behind it.
    private const int WrongLastMessageId = 10070;

    // Larger than the stream's limit, or its headers than any server's: no retry will change it.
    private static readonly int[] TooLarge = [10054, 10097];

    /// <summary>All auth events that wait, or all others, but for those of the held keys ($1), and not more than $2. Each has an index.</summary>
    internal static string Unpublished(bool authEvents) => $"""
        SELECT {OutboxRow.Columns} FROM watchword.outbox
        WHERE published_at IS NULL AND {(authEvents ? "" : "NOT ")}starts_with(subject, 'auth.user.') AND NOT key = ANY ($1) ORDER BY position LIMIT $2
        """;

    private readonly record struct Sent(long Position, string Subject, string Key, DateTime OccurredAt);

    private readonly bool _ofAuthEvents = stream == Streams.AuthEvents;
    private readonly NatsHeaders _headers = new();
    private readonly HashSet<string> _unsettledKeys = [];
    private readonly List<string> _refusedKeys = [];   // by the settling side; held once the sweep is over
    private readonly ConcurrentQueue<Sent> _leftOut = [];   // by sampling: only to be marked
    private readonly Signal _settledSome = new();
    private readonly Sent[] _sent = new Sent[options.SweepSize];
    private TaskCompletionSource _allSent = new();
    private Task _settling = Task.CompletedTask;
    private Task<bool>? _moreResults;
    private int _sentCount;
    private int _marked;
    private int _leftOutCount;
    private volatile NatsException? _failure;
    private volatile bool _refused;   // whatever follows is, too
    private bool _chained;
    private string? _lastId;

    /// <summary>One sweep. When it returns, every publish is settled and every ack is written back.</summary>
    /// <remarks>Keys whose event no server would take are added to the held ones, and left out until they are removed.</remarks>
    /// <param name="chained">Whether order is kept by a chain.</param>
    /// <param name="ct">Ends it early.</param>
    /// <exception cref="NpgsqlException">The database failed; what was acked but not marked is published again, under the same id.</exception>
    public async Task<SweepResult> RunAsync(bool chained, CancellationToken ct)
    {
        _chained = chained;
        _unsettledKeys.Clear();
        _refusedKeys.Clear();
        _allSent = new(TaskCreationOptions.RunContinuationsAsynchronously);
        (_sentCount, _marked, _leftOutCount, _failure, _refused, _lastId) = (0, 0, 0, null, false, null);
        _settling = SettleAsync();
        NatsException? failure = null;   // of the connection
        try
        {
            await PublishAsync(ct);
        }
        catch (NatsException e)
        {
            failure = e;
        }
        finally
        {
            _allSent.SetResult();
            await _settling;
        }
        held.UnionWith(_refusedKeys);
        failure ??= _failure;
        return new(_marked, _leftOutCount, failure, ChainBroken: failure is null && _refused);
    }

    // The stream takes no more, or the database has failed.
    private bool IsOver => _refused || _settling.IsCompleted;

    private async Task PublishAsync(CancellationToken ct)
    {
        // Not the data source's own command: that cannot be cancelled.
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var command = new NpgsqlCommand(Unpublished(_ofAuthEvents), connection);
        command.Parameters.Add(new() { Value = held.ToArray() });
        command.Parameters.Add(new() { Value = options.SweepSize });
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (!IsOver && await reader.ReadAsync(ct))
        {
            var row = OutboxRow.Read(reader);
            if (!held.Contains(row.Key))
                await PublishAsync(row, ct);
        }
        if (IsOver)
            command.Cancel();   // the rest of 20,000 rows is not worth the read
    }

    private async ValueTask PublishAsync(OutboxRow row, CancellationToken ct)
    {
        if (options.Sampling.LeavesOut(row.Subject, row.Key))
        {
            _leftOut.Enqueue(new(row.Position, row.Subject, row.Key, row.OccurredAt));
            return;
        }
        if (!_chained && !await HasTurnAsync(row.Key, ct))
            return;
        _sent[_sentCount] = new(row.Position, row.Subject, row.Key, row.OccurredAt);
        try
        {
            row.WriteHeaders(_headers, options.Source, _chained ? _lastId : null);
            var (subject, payload) = enrichment is not null && _ofAuthEvents ? await enrichment.ApplyAsync(row) : (row.Subject, row.Payload);
            if (!places.Has(subject))
            {
                Hold(row, $"stream {stream.Name} does not take {subject}: add that to its subjects");
                return;
            }
            await publisher.PublishAsync(subject, payload, _headers, _sentCount, ct);
        }
        catch (Exception e) when (e is ArgumentException or NatsException { IsTransient: false })
        {
            Hold(row, e.Message);   // too large for the server, or no subject at all
            return;   // in its turn for the rest of the sweep
        }
        _lastId = row.Id;
        Volatile.Write(ref _sentCount, _sentCount + 1);
    }

    // Its key waits, everyone else flows on.
    private void Hold(in OutboxRow row, string reason)
    {
        logger.EventHeld(row.Position, row.Subject, row.Key, reason);
        held.Add(row.Key);
    }

    // Unchained: false when the sweep is over meanwhile, and with it perhaps the key's last event.
    private async ValueTask<bool> HasTurnAsync(string key, CancellationToken ct)
    {
        while (true)
        {
            // Under the lock that frees the key: a failure is known before the key is free.
            lock (_unsettledKeys)
            {
                if (IsOver)
                    return false;
                if (_unsettledKeys.Add(key))
                    return true;
            }
            await _settledSome.WaitAsync(options.PollInterval, ct);
        }
    }

    private void Settled(string key)
    {
        if (_chained)
            return;
        lock (_unsettledKeys)
            _unsettledKeys.Remove(key);
        _settledSome.Pulse();
    }

    // Not cancelled: every publish gets its result within the ack time-out, and what is acked but not marked would have
    // to be looked for in the stream by the next process.
    private async Task SettleAsync()
    {
        List<long> positions = new(options.MarkSize), sequences = new(options.MarkSize);
        var (from, to) = (DateTime.MaxValue, DateTime.MinValue);
        for (var settled = 0; ;)
        {
            while (positions.Count < options.MarkSize && publisher.Results.TryRead(out var result))
            {
                settled++;
                var sent = _sent[result.Tag];
                if (result.Error is not null)
                    Refused(sent, result.Error);
                Settled(sent.Key);
                if (result.Error is not null)
                    continue;
                positions.Add(sent.Position);
                sequences.Add((long)result.Ack.Sequence);
                (from, to) = (sent.OccurredAt < from ? sent.OccurredAt : from, sent.OccurredAt > to ? sent.OccurredAt : to);
                if (_ofAuthEvents)
                    logger.AuthEventPublished(sent.Subject, sent.Key, sent.OccurredAt);
            }
            while (positions.Count < options.MarkSize && _leftOut.TryDequeue(out var sent))
            {
                positions.Add(sent.Position);
                sequences.Add(0);   // none
                (from, to) = (sent.OccurredAt < from ? sent.OccurredAt : from, sent.OccurredAt > to ? sent.OccurredAt : to);
                _leftOutCount++;
                EventMetrics.LeftOut(sent.Subject);
            }
            if (positions.Count > 0)
            {
                await MarkAsync(positions, sequences, from, to);
                _marked += positions.Count;
                positions.Clear();
                sequences.Clear();
                (from, to) = (DateTime.MaxValue, DateTime.MinValue);
            }
            else if (_allSent.Task.IsCompleted && settled == Volatile.Read(ref _sentCount) && _leftOut.IsEmpty)
            {
                return;
            }
            else
            {
                if (_moreResults is null or { IsCompleted: true })
                    _moreResults = publisher.Results.WaitToReadAsync().AsTask();
                await (_allSent.Task.IsCompleted ? _moreResults : await Task.WhenAny(_moreResults, _allSent.Task));   // the inner one: a failure must come out
            }
        }
    }

    private async Task MarkAsync(List<long> positions, List<long> sequences, DateTime from, DateTime to)
    {
        await using var command = new NpgsqlCommand("""
            UPDATE watchword.outbox o SET published_at = clock_timestamp(), stream_seq = nullif(a.sequence, 0)
            FROM unnest($1, $2) AS a (position, sequence)
            WHERE o.position = a.position AND o.occurred_at BETWEEN $3 AND $4
            """)
        {
            Parameters = { new() { Value = positions }, new() { Value = sequences }, new() { Value = from }, new() { Value = to } },
        };
        await lease.ExecuteAsync(command, CancellationToken.None);
    }

    private void Refused(Sent sent, NatsException error)
    {
        _refused = true;
        // Either the chain itself, or the echo of a failure further up, which has been reported.
        if (error is JetStreamApiException { ErrorCode: WrongLastMessageId })
            return;
        if ((error is JetStreamApiException { ErrorCode: var code } && TooLarge.Contains(code)) || error is NatsPermissionException)
        {
            logger.EventHeld(sent.Position, sent.Subject, sent.Key, error.Message);
            _refusedKeys.Add(sent.Key);
            return;
        }
        // One line a sweep: whatever follows is refused for the same reason.
        if (_failure is null && _ofAuthEvents)
            logger.AuthEventNotPublished(sent.Subject, error.Message, sent.Key, sent.Position);
        else if (_failure is null)
            logger.ChangeEventNotPublished(sent.Subject, error.Message, sent.Key, sent.Position);
        // A refusal is known to have stored nothing; what may have been stored counts more.
        if (_failure is null or JetStreamApiException)
            _failure = error;
    }
}
