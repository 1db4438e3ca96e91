using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Watchword.Server.Passwords;

/// <summary>
/// The threads that hash passwords, and the bounded queue in front of them. A free thread takes waiting requests of one
/// cost, up to as many as the machine computes side by side, and never waits for more to arrive.
/// </summary>
/// <remarks>
/// The threads are dedicated, with a lower priority than the rest of the process, so that a storm of logins neither
/// blocks the thread pool nor starves token checks.
/// </remarks>
internal sealed partial class HashingPool : IDisposable
{
    private readonly object _gate = new();
    private readonly LinkedList<HashingRequest> _waiting = [];
    private readonly Thread[] _threads;
    private readonly long _memoryPerThread;
    private readonly int _capacity;
    private readonly TimeSpan _idle;
    private TimeSpan _timePerHash = TimeSpan.FromMilliseconds(50);
    private bool _stopping;

    /// <param name="threads">Number of threads.</param>
    /// <param name="capacity">Requests that may wait, not counting those being computed.</param>
    /// <param name="memoryPerThread">Bytes of memory for each thread's hashes. One hash at a time is always computed.</param>
    /// <param name="idle">How long an idle thread keeps its memory.</param>
    public HashingPool(int threads, int capacity, long memoryPerThread, TimeSpan idle)
    {
        _capacity = capacity;
        _memoryPerThread = memoryPerThread;
        _idle = idle;
        _threads = new Thread[threads];
        for (var i = 0; i < threads; i++)
        {
            _threads[i] = new Thread(Work) { IsBackground = true, Name = "hash-" + i };
            _threads[i].Start();
        }
    }

    /// <summary>Called on a hashing thread before each batch, with the number of requests in it.</summary>
    public Action<int>? BatchStarting { get; set; }

    /// <summary>Called on a hashing thread after it released its memory for lack of work.</summary>
    public Action? Idled { get; set; }

    /// <summary>Requests in the queue now.</summary>
    public int Waiting
    {
        get
        {
            lock (_gate)
                return _waiting.Count;
        }
    }

    /// <summary>Derives the job's key, and completes when it is there.</summary>
    /// <exception cref="HashingBusyException">The queue is full.</exception>
    /// <exception cref="OperationCanceledException">Cancelled before hashing began. A hash that has begun is finished.</exception>
    /// <exception cref="ObjectDisposedException">The pool was stopped.</exception>
    public async Task DeriveAsync(ScryptJob job, ScryptParameters cost, CancellationToken cancellation)
    {
        cancellation.ThrowIfCancellationRequested();
        var request = new HashingRequest(job, cost);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_stopping, this);
            if (_waiting.Count >= _capacity)
                throw new HashingBusyException(RetryAfter());
            _waiting.AddLast(request);
            Monitor.Pulse(_gate);
        }

        using (cancellation.Register(() => Cancel(request, cancellation)))
            await request.Completion;
    }

    /// <summary>Stops the threads once their current batches are done; waiting requests fail. Safe to call twice.</summary>
    public void Dispose()
    {
        HashingRequest[] left;
        lock (_gate)
        {
            _stopping = true;
            left = [.. _waiting];
            _waiting.Clear();
            Monitor.PulseAll(_gate);
        }

        foreach (var request in left)
            request.Fail(new ObjectDisposedException(nameof(HashingPool)));
        foreach (var thread in _threads)
            thread.Join();
    }

    private void Cancel(HashingRequest request, CancellationToken cancellation)
    {
        bool removed;
        lock (_gate)
            removed = _waiting.Remove(request);
        if (removed)
            request.Cancel(cancellation);
    }

    /// <summary>How long the queue will take at the pace of the last batch.</summary>
    private TimeSpan RetryAfter()
    {
        var seconds = _timePerHash.TotalSeconds * _waiting.Count / _threads.Length;
        return TimeSpan.FromSeconds(Math.Max(1, Math.Ceiling(seconds)));
    }

    private void Work()
    {
        LowerPriority();
        using var memory = new ScryptMemory(_memoryPerThread);
        while (Take(memory) is { } batch)
        {
            BatchStarting?.Invoke(batch.Count);
            var started = Stopwatch.GetTimestamp();
            try
            {
                Scrypt.DeriveKeys(batch.ConvertAll(r => r.Job), batch[0].Cost, memory);
                batch.ForEach(r => r.Complete());
            }
#pragma warning disable CA1031 // Any failure is the result of these requests, and the thread goes on.
            catch (Exception error)
#pragma warning restore CA1031
            {
                batch.ForEach(r => r.Fail(error));
            }

            lock (_gate)
                _timePerHash = Stopwatch.GetElapsedTime(started) / batch.Count;
        }
    }

    /// <summary>Waits for a batch; null when the pool stops.</summary>
    private List<HashingRequest>? Take(ScryptMemory memory)
    {
        lock (_gate)
        {
            while (_waiting.Count == 0 && !_stopping)
            {
                if (Monitor.Wait(_gate, memory.IsHeld ? _idle : Timeout.InfiniteTimeSpan) || _waiting.Count > 0)
                    continue;
                memory.Release();
                Idled?.Invoke();
            }

            if (_stopping)
                return null;

            // The oldest request is always taken, so no cost can starve another.
            var cost = _waiting.First!.Value.Cost;
            var lanes = memory.LanesFor(cost);
            var batch = new List<HashingRequest>(lanes);
            for (var node = _waiting.First; node is not null && batch.Count < lanes;)
            {
                var next = node.Next;
                if (node.Value.Cost == cost)
                {
                    batch.Add(node.Value);
                    _waiting.Remove(node);
                }

                node = next;
            }

            return batch;
        }
    }

    /// <summary>Lowers the calling thread's priority, where the system allows it.</summary>
    private static void LowerPriority()
    {
        if (OperatingSystem.IsLinux())
        {
            // On Linux nice values belong to threads, and 0 is the calling one; .NET's priorities have no effect there.
            const int process = 0, callingThread = 0, niceness = 10;
            _ = setpriority(process, callingThread, niceness);
        }
        else
        {
            Thread.CurrentThread.Priority = ThreadPriority.BelowNormal;
        }
    }

    [LibraryImport("libc")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static partial int setpriority(int which, int who, int priority);
}
