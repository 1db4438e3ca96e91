using System.Runtime.CompilerServices;

namespace Watchword.Nats;

/// <summary>
/// Reads a stream in order, each message once and without acks (ADR-17). The server's part is a throw-away consumer
/// that counts its deliveries; where the count has a gap, or the connection or that consumer is lost, another one takes
/// over behind the last message read. For one reader at a time; a reader that pauses is waited for.
/// </summary>
public sealed class OrderedConsumer : IAsyncDisposable
{
    private static readonly TimeSpan DelayMin = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan DelayMax = TimeSpan.FromSeconds(5);

    // Only a process that was killed leaves one behind, and this is how long it stays.
    private static readonly TimeSpan InactiveThreshold = TimeSpan.FromMinutes(5);

    private readonly JetStream _jetStream;
    private readonly NatsConnection _connection;
    private readonly OrderedConsumerOptions _options;
    private readonly string _stream;
    private readonly CancellationTokenSource _disposed = new();
    private readonly SemaphoreSlim _changing = new(1, 1); // between one who begins again and one who disposes
    private PullConsumer? _deliveries;
    private string? _name;
    private string? _lost; // why it must begin again
    private NatsException? _end; // why it cannot
    private ulong _last; // what was read last, or what lies before the first
    private ulong _delivered;
    private ulong _initial; // how many deliveries make up what was there at the beginning
    private long _began;
    private int _attempts;

    private OrderedConsumer(JetStream jetStream, string stream, OrderedConsumerOptions options)
    {
        (_jetStream, _connection) = (jetStream, jetStream.Connection);
        (_stream, _options) = (stream, options);
    }

    /// <summary>Whether all that was in the stream for this reader when it began has been read.</summary>
    public bool IsCaughtUp { get; private set; }

    /// <summary>How often it had to begin again: after gaps, drops, restarts, deletions.</summary>
    public long RestartCount { get; private set; }

    private bool IsSnapshot => _options.DeliverPolicy == DeliverPolicy.LastPerSubject && !IsCaughtUp;

    /// <summary>Waits until there may be something to read; false when this or the connection was disposed.</summary>
    /// <exception cref="NatsException">It cannot go on: the stream was deleted, or the server refuses us. Messages read before it stand.</exception>
    public async ValueTask<bool> WaitToReadAsync(CancellationToken ct = default)
    {
        while (true)
        {
            if (_end is not null)
                throw _end;
            if (_lost is null && _deliveries is { } deliveries)
            {
                try
                {
                    return IsCaughtUp ? await deliveries.WaitToReadAsync(ct) : await WaitToCatchUpAsync(deliveries, ct);
                }
                catch (NatsException e)
                {
                    _lost = e.Message;
                }
            }

            var before = IsCaughtUp;
            if (!await ResumeAsync(ct))
                return false;
            if (IsCaughtUp != before)
                return true; // whoever waits for that must hear of it, though no message comes
        }
    }

    /// <summary>Takes a message that has arrived already.</summary>
    public bool TryRead([System.Diagnostics.CodeAnalysis.NotNullWhen(true)] out JetStreamMessage? message)
    {
        while (_lost is null && _deliveries is { } deliveries && deliveries.TryRead(out message))
        {
            if (message.ConsumerSequence != _delivered + 1)
            {
                _lost = $"delivery {_delivered + 1} is missing, {message.ConsumerSequence} came instead";
                break;
            }

            _delivered++;
            var seen = IsSnapshot && message.StreamSequence <= _last;
            IsCaughtUp |= message.Pending == 0 || _delivered >= _initial;
            if (seen)
                continue;
            _last = message.StreamSequence;
            _attempts = 0;
            return true;
        }

        message = null;
        return false;
    }

    /// <summary>All messages until this is disposed.</summary>
    /// <exception cref="NatsException">It cannot go on: the stream was deleted, or the server refuses us.</exception>
    public async IAsyncEnumerable<JetStreamMessage> ReadAllAsync([EnumeratorCancellation] CancellationToken ct = default)
    {
        while (await WaitToReadAsync(ct))
            while (TryRead(out var message))
                yield return message;
    }

    /// <summary>Stops reading and deletes the consumer on the server, if that can be reached. Safe to call twice.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_disposed.IsCancellationRequested)
            return;
        await _disposed.CancelAsync();
        await _changing.WaitAsync();
        await ReleaseAsync(CancellationToken.None);
        _changing.Release();
    }

    internal static async Task<OrderedConsumer> BeginAsync(
        JetStream jetStream, string stream, OrderedConsumerOptions options, CancellationToken ct)
    {
        var consumer = new OrderedConsumer(jetStream, stream, options);
        try
        {
            await consumer.CreateAsync(ct);
            return consumer;
        }
        catch
        {
            await consumer.DisposeAsync();
            throw;
        }
    }

    /// <summary>Whether what went wrong may pass by itself: our side's trouble while the connection still tries, or the server's.</summary>
    private bool MayPass(NatsException e)
        => e.IsTransient || e is NatsConnectException && _connection.State != NatsConnectionState.Closed;

    /// <summary>What was there may be deleted before it is delivered; then no message shows that all has been read, so the server is asked.</summary>
    private async Task<bool> WaitToCatchUpAsync(PullConsumer deliveries, CancellationToken ct)
    {
        var message = deliveries.WaitToReadAsync(ct).AsTask();
        while (true)
        {
            try
            {
                return await message.WaitAsync(_options.Consume.Heartbeat, ct);
            }
            catch (TimeoutException)
            {
                var info = await _jetStream.FindConsumerAsync(_stream, _name!, ct);
                if (info is { Pending: 0 } && info.Delivered.Consumer == _delivered && !message.IsCompleted)
                    return IsCaughtUp = true;
            }
        }
    }

    private async ValueTask<bool> ResumeAsync(CancellationToken ct)
    {
        using var both = CancellationTokenSource.CreateLinkedTokenSource(ct, _disposed.Token);
        try
        {
            await _changing.WaitAsync(both.Token);
            try
            {
                return await RetryAsync(both.Token);
            }
            finally
            {
                _changing.Release();
            }
        }
        catch (OperationCanceledException) when (_disposed.IsCancellationRequested)
        {
            return false;
        }
        catch (ObjectDisposedException)
        {
            return false; // the connection
        }
    }

    private async Task<bool> RetryAsync(CancellationToken ct)
    {
        if (Environment.TickCount64 - _began > DelayMax.TotalMilliseconds)
            _attempts = 0;
        while (true)
        {
            try
            {
                await Task.Delay(Backoff.Delay(_attempts++, DelayMin, DelayMax), ct);
                await _connection.WaitUntilOpenAsync(ct);
                await ReleaseAsync(ct);
                RestartCount++;
                _connection.Log.OrderedRestarted(_stream, _last, _lost ?? "");
                await CreateAsync(ct);
                return true;
            }
            catch (NatsException e) when (MayPass(e))
            {
                _lost = e.Message;
            }
            catch (NatsException e)
            {
                _end = e;
                throw;
            }
        }
    }

    private async Task CreateAsync(CancellationToken ct)
    {
        _name = "ordered-" + Guid.NewGuid().ToString("N"); // known beforehand, so that it can be deleted even if no answer comes
        var info = await _jetStream.CreateConsumerAsync(_stream, Config(_name), ct);
        var before = info.Delivered.Stream == ulong.MaxValue ? 0 : info.Delivered.Stream; // an empty stream's 0 - 1
        if (before < _last && !IsSnapshot)
            _connection.Log.StreamWentBack(_stream, _last, before);
        if (RestartCount == 0 || !IsSnapshot)
            _last = before;
        (_delivered, _initial) = (0, info.Pending);
        IsCaughtUp |= _initial == 0;
        _began = Environment.TickCount64;
        _deliveries = new PullConsumer(_jetStream, _stream, _name, _options.Consume, endsInDoubt: true);
        _lost = null;
    }

    private ConsumerConfig Config(string name)
    {
        // The newest of each subject cannot be asked for from a sequence on: what was read is passed over instead.
        var begins = RestartCount == 0 || IsSnapshot;
        return new ConsumerConfig
        {
            Name = name,
            FilterSubject = _options.FilterSubject ?? (begins && _options.DeliverPolicy == DeliverPolicy.LastPerSubject ? ">" : null),
            DeliverPolicy = begins ? _options.DeliverPolicy : DeliverPolicy.ByStartSequence,
            StartSequence = begins ? _options.StartSequence : _last + 1,
            StartTime = begins ? _options.StartTime : null,
            HeadersOnly = _options.HeadersOnly,
            AckPolicy = AckPolicy.None,
            MemoryStorage = true,
            Replicas = 1,
            InactiveThreshold = InactiveThreshold,
        };
    }

    private async Task ReleaseAsync(CancellationToken ct)
    {
        if (_deliveries is not null)
            await _deliveries.DisposeAsync();
        if (_name is not { } name)
            return;
        try
        {
            await _jetStream.DeleteConsumerAsync(_stream, name, ct);
        }
        catch (NatsException)
        {
            // The server deletes it itself after a while.
        }
    }
}
