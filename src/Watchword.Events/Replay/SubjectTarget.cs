using System.Collections.Concurrent;
using Npgsql;
using Watchword.Events.Contracts;
using Watchword.Nats;

namespace Watchword.Events.Replay;

/// <summary>Publishes a replay: with acks where a stream listens, else to whoever does.</summary>
internal sealed class SubjectTarget : IAsyncDisposable
{
    private const int MaxInFlight = 1024;
    private const string Everything = ".>";

    private readonly NatsConnection _nats;
    private readonly JetStream _jetStream;
    private readonly JetStreamPublisher _publisher;
    private readonly string _replayId;
    private readonly string _target;
    private readonly string? _prefix;
    private readonly NatsHeaders _headers = new();
    private readonly Dictionary<string, (string Target, bool Stored)> _subjects = new(StringComparer.Ordinal);
    private readonly HashSet<string> _streams = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, ulong> _unstored = new(StringComparer.Ordinal);   // target, and its first event
    private readonly ConcurrentDictionary<string, bool> _deniedSubjects = new(StringComparer.Ordinal);
    private volatile NatsPermissionException? _denied;
    private long _sent;
    private long _settled;
    private ulong _missing = ulong.MaxValue;
    private ulong _next;   // the first that was not handed over
    private Exception? _failure;

    public SubjectTarget(NatsConnection nats, JetStream jetStream, string replayId, string target)
    {
        (_nats, _jetStream, _replayId, _target) = (nats, jetStream, replayId, target);
        _prefix = target.EndsWith(Everything, StringComparison.Ordinal) ? target[..^1] : null;
        _publisher = jetStream.CreatePublisher(new() { MaxInFlight = MaxInFlight });
        nats.PublishDenied += OnPublishDenied;
    }

    /// <exception cref="ReplayRefusedException">Nothing can, or should, be published there.</exception>
    public static async Task CheckAsync(JetStream jetStream, string target, bool force, CancellationToken ct)
    {
        if (SubjectPattern.Fault(target) is { } fault)
            throw new ReplayRefusedException("toSubject", fault);
        var plain = target.EndsWith(Everything, StringComparison.Ordinal) ? target[..^2] : target;
        if (plain.Split('.').Any(t => t is "*" or ">"))
            throw new ReplayRefusedException("toSubject", $"is '{target}': give a plain subject, or a prefix that ends in .> and takes each event's own subject behind it");
        if (target.StartsWith('$') || target.StartsWith("_INBOX.", StringComparison.Ordinal))
            throw new ReplayRefusedException("toSubject", $"is '{target}', which belongs to NATS itself");
        if (force)
            return;
        await foreach (var stream in jetStream.ListStreamNamesAsync(target, ct))
            if (Streams.All.Append(Streams.SecurityAlerts).Any(s => s.Name == stream))
                throw new ReplayRefusedException("toSubject", $"is '{target}', which belongs to stream {stream}: everybody would take the replay for news. Choose another subject, such as replay.>") { CanBeForced = true };
    }

    /// <exception cref="ReplayStoppedException">It came to an end on the way, by whatever cause.</exception>
    public async Task<ReplayResult> RunAsync(IAsyncEnumerable<ReplayEvent> events, ReplayTally tally, CancellationToken ct)
    {
        var connection = _nats.ReconnectCount;
        _next = tally.Plan.From;
        try
        {
            await foreach (var e in events)
            {
                await PublishAsync(e, ct);
                tally.Add(e);
                while (_publisher.Results.TryRead(out var result))
                    Settle(result);
                if (_failure is not null || _denied is not null)
                    break;
            }
            if (_failure is null && tally.Events > _sent)
                await _nats.PingAsync(ct);   // the server has read what no stream acknowledges
        }
        catch (Exception e) when (e is NatsException or NpgsqlException or IOException or TimeoutException or OperationCanceledException)
        {
            Fail(e, _next);
        }
        while (_settled < _sent)   // each has its result within the ack time-out
            Settle(await _publisher.Results.ReadAsync(CancellationToken.None));
        if (_nats.ReconnectCount != connection && !_unstored.IsEmpty)
        {
            // What no stream acknowledges may have gone down with the connection.
            Fail(new NatsException("the connection broke meanwhile, and nobody can say what of it arrived.", isTransient: true), _unstored.Values.Min());
        }
        if (_denied is { } denied)
            foreach (var (target, first) in _unstored)
                if (_deniedSubjects.ContainsKey(target))
                    Fail(denied, first);
        if (_failure is null)
            return tally.Result() with { Stored = _sent, Streams = [.. _streams.Order(StringComparer.Ordinal)] };
        throw new ReplayStoppedException(_failure, _missing);
    }

    public ValueTask DisposeAsync()
    {
        _nats.PublishDenied -= OnPublishDenied;
        return _publisher.DisposeAsync();
    }

    private async ValueTask PublishAsync(ReplayEvent e, CancellationToken ct)
    {
        _next = e.Sequence;
        if (!_subjects.TryGetValue(e.Subject, out var way))
            _subjects[e.Subject] = way = await WayAsync(_prefix is null ? _target : _prefix + e.Subject, ct);
        WriteHeaders(e);
        if (way.Stored)
        {
            await _publisher.PublishAsync(way.Target, e.Payload, _headers, (long)e.Sequence, ct);
            _sent++;
        }
        else
        {
            _unstored.TryAdd(way.Target, e.Sequence);
            await _nats.PublishAsync(way.Target, e.Payload, _headers, ct: ct);
        }
        _next = e.Sequence + 1;
    }

    private async Task<(string Target, bool Stored)> WayAsync(string target, CancellationToken ct)
    {
        var stored = false;
        await foreach (var stream in _jetStream.ListStreamNamesAsync(target, ct))
        {
            _streams.Add(stream);
            stored = true;
        }
        return (target, stored);
    }

    // On the read loop, before the answer to the ping that follows.
    private void OnPublishDenied(string subject, NatsPermissionException reason)
    {
        if (!_unstored.ContainsKey(subject))
            return;
        _deniedSubjects[subject] = true;
        _denied = reason;
    }

    private void Settle(PublishResult result)
    {
        _settled++;
        if (result.Error is not null)
            Fail(result.Error, (ulong)result.Tag);
    }

    /// <summary>What is told is why the first missing event is missing, which need not be what was noticed first.</summary>
    private void Fail(Exception cause, ulong missing)
    {
        if (missing < _missing)
            (_failure, _missing) = (cause, missing);
    }

    /// <summary>The event's own, but for those that the broker acts on: a chain, a roll-up, an id that a stream has seen.</summary>
    private void WriteHeaders(in ReplayEvent e)
    {
        _headers.Clear();
        _headers.Add(EventHeaders.MessageId, $"{_replayId}-{e.Id ?? $"{e.Stream}-{e.Sequence}"}");
        _headers.Add(EventHeaders.Replay, _replayId);
        if (e.Headers is null)
            return;
        foreach (var (name, value) in e.Headers)
            if (!name.StartsWith("Nats-", StringComparison.Ordinal) && name != EventHeaders.Replay)
                _headers.TryAdd(name, value);   // some came that we would not send
        if (e.Headers[EventHeaders.EventId] is null && e.Id is { } id)
            _headers.Add(EventHeaders.EventId, id);
    }
}
