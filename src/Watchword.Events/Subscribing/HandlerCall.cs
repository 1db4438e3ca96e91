namespace Watchword.Events.Subscribing;

/// <summary>Calls handlers one after the other, each within a time.</summary>
internal sealed class HandlerCall(IServiceProvider services, TimeSpan timeout, CancellationToken stop) : IDisposable
{
    private CancellationTokenSource _limit = CancellationTokenSource.CreateLinkedTokenSource(stop);

    /// <exception cref="TimeoutException">It took too long. What ignores its cancellation goes on unseen.</exception>
    public async ValueTask RunAsync(Func<EventContext, CancellationToken, Task> handle, EventContext context)
    {
        context.Host = services;
        try
        {
            var handling = handle(context, _limit.Token);
            if (!handling.IsCompletedSuccessfully)
                await WithinLimitAsync(handling, context);
        }
        finally
        {
            await context.EndAsync();
        }
    }

    public void Dispose() => _limit.Dispose();

    private async Task WithinLimitAsync(Task handling, EventContext context)
    {
        _limit.CancelAfter(timeout);
        try
        {
            await handling.WaitAsync(_limit.Token);
        }
        catch (OperationCanceledException e) when (_limit.IsCancellationRequested && !stop.IsCancellationRequested)
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
        }
    }
}
