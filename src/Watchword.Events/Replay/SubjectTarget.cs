using NATS.Client.Core;
using Npgsql;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;

namespace Watchword.Events.Replay;

/// <summary>Publishes a replay: with acks where a stream takes the subject, otherwise to whoever is subscribed.</summary>
internal sealed class SubjectTarget : IAsyncDisposable
{
    private const int MaxInFlight = 1024;
    private const string Everything = ".>";
    private static readonly TimeSpan FlushPatience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan DenialDelay = TimeSpan.FromMilliseconds(200);

    private readonly JetStreamClient _jetStream;
    private readonly PublishWindow _window;
    private readonly string _replayId;
    private readonly string _target;
    private readonly string? _prefix;
    private readonly Dictionary<string, (string Target, bool Stored)> _subjects = new(StringComparer.Ordinal);
    private readonly HashSet<string> _streams = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ulong> _unstored = new(StringComparer.Ordinal);   // the first event that was published without an ack, by target
    private volatile Denial? _denied;
    private long _sent;
    private long _settled;
    private ulong _missing = ulong.MaxValue;
    private ulong _next;   // the first event that was not published yet
    private Exception? _failure;

    private sealed record Denial(string Target, NatsDeniedException Reason);

    private SubjectTarget(JetStreamClient jetStream, PublishWindow window, string replayId, string target)
    {
        (_jetStream, _window, _replayId, _target) = (jetStream, window, replayId, target);
        _prefix = target.EndsWith(Everything, StringComparison.Ordinal) ? target[..^1] : null;
        jetStream.PublishDenied += OnPublishDenied;
    }

    /// <exception cref="NatsException">NATS is unreachable.</exception>
    public static async Task<SubjectTarget> OpenAsync(JetStreamClient jetStream, string replayId, string target, CancellationToken ct) =>
        new(jetStream, await PublishWindow.OpenAsync(jetStream, MaxInFlight, ct), replayId, target);

    /// <exception cref="ReplayRefusedException">Nothing can, or should, be published there.</exception>
    public static async Task CheckAsync(JetStreamClient jetStream, string target, bool force, CancellationToken ct)
    {
        if (SubjectPattern.Fault(target) is { } fault)
            throw new ReplayRefusedException("toSubject", fault);
        var plain = target.EndsWith(Everything, StringComparison.Ordinal) ? target[..^2] : target;
        if (plain.Split('.').Any(t => t is "*" or ">"))
            throw new ReplayRefusedException("toSubject", $"is '{target}': give a plain subject, or a prefix that ends in .> and is put before each event's own subject");
        if (target.StartsWith('$') || target.StartsWith("_INBOX.", StringComparison.Ordinal))
            throw new ReplayRefusedException("toSubject", $"is '{target}', which belongs to NATS itself");
        if (force)
            return;
        foreach (var stream in await jetStream.ListStreamNamesAsync(target, ct))
            if (Streams.All.Append(Streams.SecurityAlerts).Any(s => s.Name == stream))
                throw new ReplayRefusedException("toSubject", $"is '{target}', which belongs to stream {stream}: its readers would take the replay for new events. Choose another subject, such as replay.>") { CanBeForced = true };
    }

    /// <exception cref="ReplayStoppedException">It ended early, for whatever reason.</exception>
    public async Task<ReplayResult> RunAsync(IAsyncEnumerable<ReplayEvent> events, ReplayTally tally, CancellationToken ct)
    {
        var connection = _jetStream.OpenedTotal;
        _next = tally.Plan.From;
        try
        {
            await foreach (var e in events)
            {
                await PublishAsync(e, ct);
                tally.Add(e);
                while (_window.Results.TryRead(out var result))
                    Settle(result);
                if (_failure is not null || _denied is not null)
                    break;
            }
            if (_failure is null && _unstored.Count > 0)
            {
                await _jetStream.FlushAsync(FlushPatience);
                await Task.Delay(DenialDelay, ct);   // NATS.Net reports a denied publish a little after the answer to the ping
            }
        }
        catch (Exception e) when (e is NatsException or NpgsqlException or IOException or TimeoutException or OperationCanceledException)
        {
            Fail(e, _next);
        }
        while (_settled < _sent)   // each has its result within the ack time-out
            Settle(await _window.Results.ReadAsync(CancellationToken.None));
        if (_unstored.Count > 0 && (_jetStream.OpenedTotal != connection || !_jetStream.IsOpen))
            Fail(new NatsAwayException("the connection broke, and no stream tells which events arrived"), _unstored.Values.Min());
        if (_denied is { } denied && _unstored.TryGetValue(denied.Target, out var first))
            Fail(denied.Reason, first);
        return _failure is null
            ? tally.Result() with { Stored = _sent, Streams = [.. _streams.Order(StringComparer.Ordinal)] }
            : throw new ReplayStoppedException(_failure, _missing);
    }

    public ValueTask DisposeAsync()
    {
        _jetStream.PublishDenied -= OnPublishDenied;
        return _window.DisposeAsync();
    }

    private async ValueTask PublishAsync(ReplayEvent e, CancellationToken ct)
    {
        _next = e.Sequence;
        if (!_subjects.TryGetValue(e.Subject, out var way))
            _subjects[e.Subject] = way = await WayAsync(_prefix is null ? _target : _prefix + e.Subject, ct);
        if (way.Stored)
        {
            await _window.PublishAsync(way.Target, e.Payload, Headers(e), (long)e.Sequence, ct);
            _sent++;
        }
        else
        {
            _unstored.TryAdd(way.Target, e.Sequence);
            _jetStream.ThrowIfAway();
            await _jetStream.Connection.PublishAsync(way.Target, e.Payload, Headers(e), cancellationToken: ct);
        }
        _next = e.Sequence + 1;
    }

    private async Task<(string Target, bool Stored)> WayAsync(string target, CancellationToken ct)
    {
        var streams = await _jetStream.ListStreamNamesAsync(target, ct);
        _streams.UnionWith(streams);
        return (target, streams.Count > 0);
    }

    // Without a stream this is best effort; with one, the result of the publish tells.
    private void OnPublishDenied(string subject, NatsDeniedException reason)
    {
        if (_prefix is null ? subject == _target : subject.StartsWith(_prefix, StringComparison.Ordinal))
            _denied ??= new(subject, reason);
    }

    private void Settle(PublishResult result)
    {
        _settled++;
        if (result.Error is not null)
            Fail(result.Error, (ulong)result.Tag);
    }

    /// <summary>Keeps the reason why the first missing event is missing, which need not be the first failure that was noticed.</summary>
    private void Fail(Exception cause, ulong missing)
    {
        if (missing < _missing)
            (_failure, _missing) = (cause, missing);
    }

    /// <summary>The event's own headers, without those that the broker acts on: an expected predecessor, a roll-up, the message's id.</summary>
    private NatsHeaders Headers(in ReplayEvent e)
    {
        var headers = new NatsHeaders
        {
            [EventHeaders.MessageId] = $"{_replayId}-{e.Id ?? $"{e.Stream}-{e.Sequence}"}",
            [EventHeaders.Replay] = _replayId,
        };
        foreach (var (name, values) in e.Headers ?? [])
            if (!name.StartsWith("Nats-", StringComparison.Ordinal) && name != EventHeaders.Replay)
                foreach (var value in values)
                    headers.AddForeign(name, value);
        if (e.Headers.Find(EventHeaders.EventId) is null && e.Id is { } id)
            headers[EventHeaders.EventId] = id;
        return headers;
    }
}
