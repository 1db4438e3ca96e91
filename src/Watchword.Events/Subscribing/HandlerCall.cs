namespace Watchword.Events.Subscribing;

/// <summary>Calls handlers one after the other, each within a time limit.</summary>
internal sealed class HandlerCall(IServiceProvider services, TimeSpan timeout, CancellationToken stop) : IDisposable
{
    private CancellationTokenSource _limit = CancellationTokenSource.CreateLinkedTokenSource(stop);

    /// <exception cref="TimeoutException">The handler took too long. If it ignores its cancellation it goes on running, unobserved.</exception>
    public async ValueTask RunAsync(Func<EventContext, CancellationToken, Task> handle, EventContext context)
    {
        context.Host = services;
        var limit = _limit.Token;
        _limit.CancelAfter(timeout);
        // On another thread: a handler that blocks can be given up too.
        var handling = Task.Run(async () => await handle(context, limit), CancellationToken.None);
        try
        {
            await handling.WaitAsync(limit);
        }
        catch (OperationCanceledException e) when (limit.IsCancellationRequested && !stop.IsCancellationRequested)
        {
            throw new TimeoutException($"the handler took longer than {timeout}", e);
        }
        finally
        {
            context.IsAbandoned = !handling.IsCompleted;
            // Always: a limit that keeps running would cut off the next event's handler.
            if (!stop.IsCancellationRequested && !_limit.TryReset())
            {
                _limit.Dispose();
                _limit = CancellationTokenSource.CreateLinkedTokenSource(stop);
            }
            await context.EndAsync(handling, timeout, stop);
        }
    }

    public void Dispose() => _limit.Dispose();
}
