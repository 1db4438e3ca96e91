using System.Collections.Concurrent;
using Watchword.Events.Contracts;

namespace Watchword.Tests.Events.Subscribing;

/// <summary>A fan-out subscriber that is stopped lets its handler end, in time, and begins no other.</summary>
public class FanOutStopTests(NatsFixture nats)
{
    private readonly ConcurrentQueue<string> _handled = new();
    private readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _go = new(TaskCreationOptions.RunContinuationsAsynchronously);

    [Fact]
    public async Task The_handler_at_work_may_end()
    {
        await using var host = await StartAsync(TimeSpan.FromSeconds(20));
        await host.RegisterAsync("a");
        await _begun.Task;
        var stopping = host.StopAsync();
        Assert.False(stopping.IsCompleted);
        _go.SetResult();
        await stopping;
        Assert.Equal(["a"], _handled);
        Assert.Empty(host.Logs.Of(2209));
    }

    [Fact]
    public async Task One_that_does_not_end_in_time_is_cancelled_and_the_next_not_begun()
    {
        await using var host = await StartAsync(TimeSpan.FromMilliseconds(100));
        await host.RegisterAsync("a");
        await host.RegisterAsync("b");
        await _begun.Task;
        await host.StopAsync();   // the handler waits for ever
        Assert.Equal(["a, cancelled"], _handled);
    }

    private async Task<SubscriberHost> StartAsync(TimeSpan drain)
    {
        var host = await SubscriberHost.CreateAsync(nats);
        await host.StartAsync(s => s.FanOut().With(o => o with { DrainTimeout = drain }).On<UserRegistered>(async (e, _, ct) =>
        {
            _begun.TrySetResult();
            try
            {
                await _go.Task.WaitAsync(ct);
                _handled.Enqueue(e.Data.UserId);
            }
            catch (OperationCanceledException)
            {
                _handled.Enqueue(e.Data.UserId + ", cancelled");
                throw;
            }
        }));
        await host.Logs.LineAsync(2200);   // what comes from now on is for it
        return host;
    }
}
