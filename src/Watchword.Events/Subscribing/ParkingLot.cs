using System.Collections.Concurrent;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Npgsql;
using Watchword.Events.Postgres;

namespace Watchword.Events.Subscribing;

/// <summary>
/// Where events wait whose key has trouble. It knows in memory which keys these are, and writes their events down in
/// the order in which it got them; an event is acknowledged when its row is committed.
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
    private volatile bool _suspects;
    private long _handedIn;
    private long _written;

    /// <summary>Pulsed when there may be something to handle again.</summary>
    public Signal Changed { get; } = new();

    /// <summary>Pulsed when a dead letter was written down.</summary>
    public Signal Failed { get; } = new();

    /// <summary>How many keys are in trouble.</summary>
    public int Count => _count;

    /// <summary>Where everybody who handles events has a place.</summary>
    public WorkGate Gate => gate;

    /// <summary>Reads which keys were in trouble when the last process ended.</summary>
    public async Task LoadAsync(CancellationToken ct)
    {
        var open = await store.OpenQueuesAsync(ct);
        lock (_gate)
        {
            foreach (var (queue, _) in open)
                _queues.TryAdd(queue, new());
            _count = _queues.Count;
            _before = [.. open.Select(q => q.Queue)];
            _suspects = open.Exists(q => q.Suspect);
        }
        Changed.Pulse();
        Failed.Pulse();
    }

    /// <summary>Whether the event's key is in trouble; then the event waits behind it, and is answered from here.</summary>
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

    /// <summary>As <see cref="TryHold"/>, for keys alone that were in trouble when <see cref="LoadAsync"/> looked: of others an earlier event may still be on its way here.</summary>
    public bool TryHoldAsBefore(EventContext context) => _before.Contains(context.Queue) && TryHold(context);

    /// <summary>Sets an event aside, to be tried again after a wait, or with none as a dead letter. Later events of its key are held from now on.</summary>
    public void Park(EventContext context, string reason, int attempts, TimeSpan? delay)
    {
        lock (_gate)
            HandIn(new(context, delay is null ? "failed" : "retrying", reason, attempts, delay));
    }

    /// <summary>Sets an event aside that may be what takes the process down: it is tried there alone.</summary>
    public void ParkSuspect(EventContext context, string reason)
    {
        lock (_gate)
            HandIn(new(context, "retrying", reason, 0, TimeSpan.Zero, Suspect: true));
    }

    /// <summary>How many events of the queue are in the table; read before the database is asked whether the queue is empty.</summary>
    public long Written(string queue)
    {
        lock (_gate)
            return _queues.TryGetValue(queue, out var found) ? found.Written : 0;
    }

    /// <summary>Frees a key whose queue the database has found empty.</summary>
    /// <param name="queue">The queue.</param>
    /// <param name="written">What <see cref="Written"/> said before the database was asked.</param>
    /// <returns>False when there was more by then, or is now: the database has yet to be asked about it.</returns>
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

    /// <summary>A queue that may have lost its head without anybody noticing.</summary>
    public void Doubt(string queue)
    {
        lock (_gate)
            _doubtful.Add(queue);
        Changed.Pulse();
    }

    /// <summary>Queues that may have lost their head, since an event of theirs had been parked before, or for <see cref="Doubt"/>; the others are there the next time, and so are those at work, whose look may be older than the doubt.</summary>
    public IReadOnlyList<string> TakeDoubtful(int limit, ICollection<string> atWork)
    {
        lock (_gate)
        {
            string[] doubtful = [.. _doubtful.Except(atWork).Take(limit)];
            _doubtful.ExceptWith(doubtful);
            return doubtful;
        }
    }

    /// <summary>Whether the table may have events that are to be tried alone; asked before it is looked into, it says no until there are others.</summary>
    public bool TakeSuspects() => _suspects && !(_suspects = false);

    /// <summary>Not all of them were tried.</summary>
    public void LeaveSuspects() => _suspects = true;

    /// <summary>Until what was handed in so far is written down.</summary>
    public async Task FlushAsync(CancellationToken ct)
    {
        var until = Interlocked.Read(ref _handedIn);
        while (Interlocked.Read(ref _written) < until)
            await Task.Delay(Gather, ct);
    }

    /// <summary>Writes down what is handed in, until cancelled.</summary>
    /// <exception cref="NpgsqlException">The lease is lost.</exception>
    public async Task WriteAsync(AdvisoryLease lease, CancellationToken ct)
    {
        List<ParkRequest> batch = new(MostAtOnce);
        while (await _requests.Reader.WaitToReadAsync(ct))
        {
            await Task.Delay(Gather, ct);   // trouble comes in crowds: one statement for many
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
                // Unanswered, they are nobody's loss; but nothing of their keys may pass them.
                logger.ParkingFailed(e.Message);
                await Task.Delay(RetryDelay, ct);
            }
        }
        EventMetrics.ParkedBy(consumer, batch.Count);
        var failed = false;
        foreach (var request in batch)
        {
            failed |= request.State == "failed";
            if (request.State == "retrying")
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
            _suspects |= batch.Exists(r => r.Suspect);
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
