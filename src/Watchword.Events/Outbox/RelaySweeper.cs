using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.Logging;
using NATS.Client.Core;
using NATS.Client.JetStream;
using NATS.Client.JetStream.Models;
using Npgsql;
using Watchword.Events.Contracts;
using Watchword.Events.Enrichment;
using Watchword.Events.JetStream;
using Watchword.Events.Postgres;

namespace Watchword.Events.Outbox;

/// <summary>
/// Sweeps one stream's part of the outbox: reads everything unpublished in one snapshot, publishes it in order without
/// waiting for each ack, and marks it as published as the acks arrive.
/// </summary>
/// <remarks>
/// One snapshot, because rows become visible out of order: a cursor could pass an older row of the same key. Order is
/// kept in one of two ways (decision 6). Chained: each message names its predecessor (Nats-Expected-Last-Msg-Id), so that
/// one failure refuses everything behind it. Unchained, where a foreign publisher keeps breaking the chain: a key's next
/// event waits for the ack of its last.
/// </remarks>
internal sealed class RelaySweeper(
    NpgsqlDataSource database, AdvisoryLease lease, PublishWindow publisher, StreamConfig stream, HashSet<string> held, StreamSubjects subjects,
    RelayOptions options, EventEnrichment? enrichment, ILogger logger)
{
    /// <summary>The backlog of stream $3 without the held keys ($1), at most $2 rows; uses index outbox_unpublished.</summary>
    internal const string Unpublished = $"""
        SELECT {OutboxRow.Columns} FROM watchword.outbox
        WHERE published_at IS NULL AND stream = $3 AND NOT key = ANY ($1) ORDER BY position LIMIT $2
        """;

    private readonly record struct Sent(long Position, string Subject, string Key, DateTime OccurredAt);

    private readonly bool _ofAuthEvents = stream.Name == Streams.AuthEvents.Name;
    private readonly NatsHeaders _headers = new();
    private readonly HashSet<string> _unsettledKeys = [];
    private readonly List<string> _refusedKeys = [];   // found while settling; held once the sweep is over
    private readonly ConcurrentQueue<Sent> _leftOut = [];   // by sampling: to be marked and not published
    private readonly Signal _settledSome = new();
    private readonly Sent[] _sent = new Sent[options.SweepSize];
    private TaskCompletionSource _allSent = new();
    private Task _settling = Task.CompletedTask;
    private Task<bool>? _moreResults;
    private int _sentCount;
    private int _marked;
    private int _leftOutCount;
    private volatile NatsException? _failure;
    private volatile bool _refused;   // everything behind it is refused too
    private bool _chained;
    private string? _lastId;

    /// <summary>Sweeps once. When it returns, every publish is settled and every ack is marked.</summary>
    /// <remarks>Adds keys to the held ones whose event no server would take.</remarks>
    /// <param name="chained">Whether order is kept by a chain.</param>
    /// <param name="ct">Ends it early.</param>
    /// <exception cref="NpgsqlException">The database failed. Events that were acked but not marked are published again under the same id.</exception>
    public async Task<SweepResult> RunAsync(bool chained, CancellationToken ct)
    {
        _chained = chained;
        _unsettledKeys.Clear();
        _refusedKeys.Clear();
        _allSent = new(TaskCreationOptions.RunContinuationsAsynchronously);
        (_sentCount, _marked, _leftOutCount, _failure, _refused, _lastId) = (0, 0, 0, null, false, null);
        _settling = SettleAsync();
        NatsException? failure = null;
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
        // A command of the data source itself cannot be cancelled.
        await using var connection = await database.OpenConnectionAsync(ct);
        await using var command = new NpgsqlCommand(Unpublished, connection);
        command.Parameters.Add(new() { Value = held.ToArray() });
        command.Parameters.Add(new() { Value = options.SweepSize });
        command.Parameters.Add(new() { Value = stream.Name });
        await using var reader = await command.ExecuteReaderAsync(ct);
        while (!IsOver && await reader.ReadAsync(ct))
        {
            var row = OutboxRow.Read(reader);
            if (!held.Contains(row.Key))
                await PublishAsync(row, ct);
        }
        if (IsOver)
            command.Cancel();   // the rest need not be read
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
            var payload = enrichment is not null && _ofAuthEvents ? await enrichment.ApplyAsync(row) : row.Payload;
            if (!subjects.Has(row.Subject))
            {
                Hold(row, $"stream {stream.Name} does not take {row.Subject}: add it to the stream's subjects");
                return;
            }
            // NATS.Net writes the trace of whoever listens to it into the headers: it must be the event's own.
            using var trace = _headers.Find(EventHeaders.TraceParent) is { } parent ? new Activity("publish").SetParentId(parent).Start() : null;
            await publisher.PublishAsync(row.Subject, payload, _headers, _sentCount, ct);
        }
        catch (Exception e) when (e is ArgumentException || e is NatsException nats && !nats.IsTransient())
        {
            Hold(row, e.Message);   // too large for the server, or not a valid subject
            return;
        }
        _lastId = row.Id;
        Volatile.Write(ref _sentCount, _sentCount + 1);
    }

    // The key waits; everybody else's events go on.
    private void Hold(in OutboxRow row, string reason)
    {
        logger.EventHeld(row.Position, row.Subject, row.Key, reason);
        held.Add(row.Key);
    }

    // Unchained: waits for the ack of the key's last event. False when the sweep is over meanwhile.
    private async ValueTask<bool> HasTurnAsync(string key, CancellationToken ct)
    {
        while (true)
        {
            // The same lock frees the key: a failure is known before the key is free.
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

    // Not cancelled: every publish has its result within the ack time-out, and the next leader would have to look in the
    // stream for what was acked but not marked.
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
                sequences.Add((long)result.Sequence);
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
                await (_allSent.Task.IsCompleted ? _moreResults : await Task.WhenAny(_moreResults, _allSent.Task));   // awaits the inner task: a failure must come out
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
        // The chain is broken, by a foreign publisher or by an earlier failure that was reported.
        if (error is NatsJSApiException { Error.ErrCode: NatsErrors.WrongLastMessageId })
            return;
        if (error.IsTooLarge() || error is NatsDeniedException)
        {
            logger.EventHeld(sent.Position, sent.Subject, sent.Key, error.Message);
            _refusedKeys.Add(sent.Key);
            return;
        }
        // One line a sweep: the others are refused for the same reason.
        if (_failure is null && _ofAuthEvents)
            logger.AuthEventNotPublished(sent.Subject, error.Message, sent.Key, sent.Position);
        else if (_failure is null)
            logger.ChangeEventNotPublished(sent.Subject, error.Message, sent.Key, sent.Position);
        // A refusal has stored nothing. A failure that may have stored something counts more.
        if (_failure is null or NatsJSApiException)
            _failure = error;
    }
}
