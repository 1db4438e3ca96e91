namespace Watchword.Events.Subscribing;

/// <summary>Calls handlers one after the other, each within a time.</summary>
internal sealed class HandlerCall(IServiceProvider services, TimeSpan timeout, CancellationToken stop) : IDisposable
{
    private CancellationTokenSource _limit = CancellationTokenSource.CreateLinkedTokenSource(stop);

    /// <exception cref="TimeoutException">It took too long. What ignores its cancellation goes on unseen.</exception>
    public async ValueTask RunAsync(Func<EventContext, CancellationToken, Task> handle, EventContext context)
    {
        context.Host = services;
        var limit = _limit.Token;
        _limit.CancelAfter(timeout);
        // Not on this thread: one that blocks it can be given up too.
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
            // However it ended: a limit that goes on running would cut off another event's handler.
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
