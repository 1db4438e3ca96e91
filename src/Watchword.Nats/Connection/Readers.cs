namespace Watchword.Nats;

/// <summary>Counts the loops that read a subscription, so that a drain can wait until the last message has been handled, not only taken.</summary>
internal sealed class Readers
{
    private readonly Lock _gate = new();
    private TaskCompletionSource? _idle;
    private int _count;

    /// <summary>A loop begins; it ends when the result is disposed.</summary>
    public IDisposable Enter()
    {
        lock (_gate)
            _count++;
        return new Reading(this);
    }

    /// <summary>Completes when all has been taken and every loop has ended.</summary>
    public async Task DoneAsync(Task allTaken)
    {
        await allTaken.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        Task idle;
        lock (_gate)
        {
            if (_count == 0)
                return;
            idle = (_idle ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }

        await idle;
    }

    private void Leave()
    {
        lock (_gate)
            if (--_count == 0)
                _idle?.TrySetResult();
    }

    private sealed class Reading(Readers readers) : IDisposable
    {
        private Readers? _readers = readers;

        public void Dispose() => Interlocked.Exchange(ref _readers, null)?.Leave();
    }
}
