namespace Watchword.Events.Subscribing;

/// <summary>
/// Lets the handlers of a process run side by side, or one alone. A caller that wants to be alone has precedence: nobody
/// else begins, and running handlers finish first.
/// </summary>
internal sealed class WorkGate : IDisposable
{
    private readonly Lock _gate = new();
    private readonly SemaphoreSlim _aloneOnce = new(1);
    private int _atWork;
    private TaskCompletionSource? _empty;    // somebody is alone, or waits to be
    private TaskCompletionSource? _opened;

    /// <summary>A place inside; dispose of it to leave.</summary>
    public readonly struct Place(WorkGate gate) : IDisposable
    {
        /// <inheritdoc/>
        public void Dispose() => gate?.Leave();
    }

    /// <summary>Enters; waits while somebody is alone.</summary>
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

    /// <summary>Runs <paramref name="work"/> once everybody has left, and lets nobody in until it is done. Several callers take turns.</summary>
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
