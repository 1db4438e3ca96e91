namespace Watchword.Events.Subscribing;

/// <summary>
/// Lets the handlers of a host work side by side, or one alone. Who wants to be alone goes first: nobody else begins any
/// more, and what is at work ends.
/// </summary>
internal sealed class WorkGate : IDisposable
{
    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _aloneOnce = new(1);
    private int _atWork;
    private TaskCompletionSource? _empty;    // somebody is alone, or waits for it
    private TaskCompletionSource? _opened;

    /// <summary>A place beside the others, until it is disposed of.</summary>
    public readonly struct Place(WorkGate gate) : IDisposable
    {
        /// <inheritdoc/>
        public void Dispose() => gate?.Leave();
    }

    /// <summary>Waits while somebody is alone.</summary>
    public async ValueTask<Place> EnterAsync(CancellationToken ct)
    {
        while (true)
        {
            Task opened;
            lock (_gate)
            {
                if (_opened is null)
                {
                    _atWork++;
                    return new(this);
                }
                opened = _opened.Task;
            }
            await opened.WaitAsync(ct);
        }
    }

    /// <summary>Runs <paramref name="work"/> when everybody has left, and lets nobody in until it is done. Of several callers one after the other.</summary>
    public async Task AloneAsync(Func<Task> work, CancellationToken ct)
    {
        await _aloneOnce.WaitAsync(ct);
        TaskCompletionSource empty, opened = new(TaskCreationOptions.RunContinuationsAsynchronously);
        lock (_gate)
        {
            _empty = empty = new(TaskCreationOptions.RunContinuationsAsynchronously);
            _opened = opened;
            if (_atWork == 0)
                empty.SetResult();
        }
        try
        {
            await empty.Task.WaitAsync(ct);
            await work();
        }
        finally
        {
            lock (_gate)
                _empty = _opened = null;
            opened.SetResult();
            _aloneOnce.Release();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _aloneOnce.Dispose();

    private void Leave()
    {
        lock (_gate)
            if (--_atWork == 0)
                _empty?.SetResult();
    }
}
