using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Watchword.Server.Passwords;

/// <summary>
/// The threads that hash passwords, and the bounded queue before them. A free thread takes what waits of one cost, up to
/// as many as the machine computes side by side, and never waits for more.
/// </summary>
/// <remarks>
/// The threads are dedicated and of lower priority than the rest of the process, so that a storm of logins neither
/// blocks the thread pool nor starves the checking of tokens.
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
    /// <param name="capacity">Requests that may wait, those being computed not counted.</param>
    /// <param name="memoryPerThread">Bytes of memory for each thread's hashes; one hash is always computed.</param>
    /// <param name="idle">How long a thread without work keeps its memory.</param>
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

    /// <summary>Called on the hashing thread before it computes, with the number of requests that it took.</summary>
    public Action<int>? BatchStarting { get; set; }

    /// <summary>Called on a hashing thread after it gave its memory back for want of work.</summary>
    public Action? Idled { get; set; }

    /// <summary>Requests that wait at this moment.</summary>
    public int Waiting
    {
        get
        {
            lock (_gate)
                return _waiting.Count;
        }
    }

    /// <summary>Derives the job's key; completes when it is there.</summary>
    /// <exception cref="HashingBusyException">The queue is full.</exception>
    /// <exception cref="OperationCanceledException">Cancelled before it was begun; what is begun is finished.</exception>
    /// <exception cref="ObjectDisposedException">The pool is stopped.</exception>
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

    /// <summary>Stops the threads after what they compute now; what waits fails. Safe to call twice.</summary>
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

    /// <summary>The time that what waits will take, at the pace of the last batch.</summary>
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
#pragma warning disable CA1031 // Whatever it is, it is the answer to these requests, and the thread goes on.
            catch (Exception error)
#pragma warning restore CA1031
            {
                batch.ForEach(r => r.Fail(error));
            }

            lock (_gate)
                _timePerHash = Stopwatch.GetElapsedTime(started) / batch.Count;
        }
    }

    /// <summary>Waits for work and takes it; null when the pool stops.</summary>
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

            // The oldest is always among those taken, so no cost can starve another.
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

    /// <summary>Lowers the calling thread's priority where the system lets us.</summary>
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
