using System.Collections.Concurrent;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Npgsql;
using Watchword.Events.Postgres;

namespace Watchword.Events.Subscribing;

/// <summary>
/// Parks the events of keys that have a failing event. It knows these keys in memory, and writes their events to the table
/// in the order in which they came. An event is acknowledged when its row is committed.
/// </summary>
internal sealed class ParkingLot(string consumer, ParkedEvents store, WorkGate gate, ILogger logger)
{
    private const int MostAtOnce = 500;
    private static readonly TimeSpan Gather = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(200);

    private sealed class Queue
    {
        public long HandedIn;
        public long Written;
    }

    private readonly Lock _gate = new();
    private readonly ConcurrentDictionary<string, Queue> _queues = [];   // read without the gate, changed within it
    private readonly HashSet<string> _doubtful = [];
    private HashSet<string> _before = [];
    private readonly Channel<ParkRequest> _requests = Channel.CreateUnbounded<ParkRequest>(new() { SingleReader = true });
    private volatile int _count;
    private bool _suspects;
    private long _handedIn;
    private long _written;

    /// <summary>Pulsed when a parked event may be due.</summary>
    public Signal Changed { get; } = new();

    /// <summary>Pulsed when a dead letter was written.</summary>
    public Signal Failed { get; } = new();

    /// <summary>How many keys have parked events.</summary>
    public int Count => _count;

    /// <summary>The gate that every handler passes.</summary>
    public WorkGate Gate => gate;

    /// <summary>Takes over the parked events of the last process.</summary>
    public async Task LoadAsync(CancellationToken ct)
    {
        await store.RecoverAsync(ct);
        var open = await store.OpenQueuesAsync(ct);
        lock (_gate)
        {
            foreach (var (queue, _) in open)
                _queues.TryAdd(queue, new());
            _count = _queues.Count;
            _before = [.. open.Select(q => q.Queue)];
            if (open.Exists(q => q.Suspect))
                LeaveSuspects();
        }
        Changed.Pulse();
        Failed.Pulse();
    }

    /// <summary>Whether the queue has parked events.</summary>
    public bool Holds(string queue) => _count > 0 && _queues.ContainsKey(queue);

    /// <summary>Parks the event if its key has parked events: it waits behind them. False when the key is free.</summary>
    public bool TryHold(EventContext context)
    {
        if (_count == 0 || !_queues.ContainsKey(context.Queue))
            return false;
        lock (_gate)
        {
            if (!_queues.ContainsKey(context.Queue))
                return false;
            HandIn(new(context, "waiting", null, 0, null));
            return true;
        }
    }

    /// <summary>As <see cref="TryHold"/>, but only for keys that had parked events when <see cref="LoadAsync"/> ran. For other keys an earlier event may still be on its way.</summary>
    public bool TryHoldAsBefore(EventContext context) => _before.Contains(context.Queue) && TryHold(context);

    /// <summary>Parks a failed event: it is retried after the delay, or is a dead letter where there is none. Later events of its key wait from now on.</summary>
    public void Park(EventContext context, string reason, int attempts, TimeSpan? delay)
    {
        lock (_gate)
            HandIn(new(context, delay is null ? "failed" : "retrying", reason, attempts, delay));
    }

    /// <summary>Parks an event that may be what kills the process: it is tried alone.</summary>
    public void ParkSuspect(EventContext context, string reason)
    {
        lock (_gate)
            HandIn(new(context, "retrying", reason, 0, TimeSpan.Zero, Suspect: true));
    }

    /// <summary>How many events of the queue were written. Read this before asking the database whether the queue is empty.</summary>
    public long Written(string queue)
    {
        lock (_gate)
            return _queues.TryGetValue(queue, out var found) ? found.Written : 0;
    }

    /// <summary>Frees a key whose queue is empty in the database.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="written">The value of <see cref="Written"/> before the database was asked.</param>
    /// <returns>False when more events of the key came meanwhile: ask the database again.</returns>
    public bool TryRelease(string queue, long written)
    {
        lock (_gate)
        {
            if (_queues.TryGetValue(queue, out var found) && found.HandedIn != written)
                return false;
            _queues.TryRemove(queue, out _);
            _count = _queues.Count;
            return true;
        }
    }

    /// <summary>Notes a queue whose head may have been resolved unnoticed.</summary>
    public void Doubt(string queue)
    {
        lock (_gate)
            _doubtful.Add(queue);
        Changed.Pulse();
    }

    /// <summary>Takes queues that were noted by <see cref="Doubt"/>, or got an event that was parked already. Queues at work stay noted: they may have looked before.</summary>
    public IReadOnlyList<string> TakeDoubtful(int limit, ICollection<string> atWork)
    {
        lock (_gate)
        {
            string[] doubtful = [.. _doubtful.Except(atWork).Take(limit)];
            _doubtful.ExceptWith(doubtful);
            return doubtful;
        }
    }

    /// <summary>Whether the table may hold events to be tried alone. Returns the flag and clears it.</summary>
    public bool TakeSuspects() => Interlocked.Exchange(ref _suspects, false);

    /// <summary>Sets the flag again: not all of them were tried.</summary>
    public void LeaveSuspects() => Interlocked.Exchange(ref _suspects, true);

    /// <summary>Waits until everything that was handed in so far is written.</summary>
    public async Task FlushAsync(CancellationToken ct)
    {
        var until = Interlocked.Read(ref _handedIn);
        while (Interlocked.Read(ref _written) < until)
            await Task.Delay(Gather, ct);
    }

    /// <summary>Writes what is handed in, until cancelled.</summary>
    /// <exception cref="NpgsqlException">The lease is lost.</exception>
    public async Task WriteAsync(AdvisoryLease lease, CancellationToken ct)
    {
        List<ParkRequest> batch = new(MostAtOnce);
        while (await _requests.Reader.WaitToReadAsync(ct))
        {
            await Task.Delay(Gather, ct);   // failures come in bursts: one statement for many
            while (batch.Count < MostAtOnce && _requests.Reader.TryRead(out var request))
                batch.Add(request);
            await WriteAsync(lease, batch, ct);
            batch.Clear();
        }
    }

    private async Task WriteAsync(AdvisoryLease lease, List<ParkRequest> batch, CancellationToken ct)
    {
        bool allNew;
        while (true)
        {
            try
            {
                allNew = await store.AddAsync(lease, batch, ct);
                break;
            }
            catch (Exception e) when (lease.IsHeld && e is NpgsqlException or IOException or TimeoutException)
            {
                // Unacknowledged, the events are not lost; but later ones of their keys must not pass them.
                logger.ParkingFailed(e.Message);
                await Task.Delay(RetryDelay, ct);
            }
        }
        EventMetrics.ParkedBy(consumer, batch.Count);
        var failed = false;
        foreach (var request in batch)
        {
            failed |= request.State == "failed";
            if (request.Suspect)
                logger.EventSuspected(request.Context.Subject, request.Context.Sequence, request.Context.Key ?? "", request.Context.Deliveries);
            else if (request.State == "retrying")
                logger.EventRetried(request.Context.Subject, request.Context.Sequence, request.Context.Key ?? "", request.Attempts, request.Reason ?? "");
            else if (request.Reason is not null)
                logger.EventParked(request.Context.Subject, request.Context.Sequence, request.Context.Key ?? "", request.Attempts, request.Reason);
            await request.Context.AckAsync();   // lost, it comes again and finds its row
        }
        lock (_gate)
        {
            foreach (var request in batch)
            {
                _queues[request.Context.Queue].Written++;
                if (!allNew)
                    _doubtful.Add(request.Context.Queue);
            }
            _written += batch.Count;
            if (batch.Exists(r => r.Suspect))
                LeaveSuspects();
        }
        Changed.Pulse();
        if (failed)
            Failed.Pulse();
    }

    private void HandIn(ParkRequest request)
    {
        if (!_queues.TryGetValue(request.Context.Queue, out var queue))
            _queues[request.Context.Queue] = queue = new();
        queue.HandedIn++;
        _handedIn++;
        _count = _queues.Count;
        _requests.Writer.TryWrite(request);
    }
}
