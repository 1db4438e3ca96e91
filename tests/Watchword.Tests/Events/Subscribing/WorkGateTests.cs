using Watchword.Events.Subscribing;

namespace Watchword.Tests.Events.Subscribing;

/// <summary>Side by side, or one alone; and however that ends, the others go on.</summary>
public sealed class WorkGateTests : IDisposable
{
    private readonly WorkGate _gate = new();

    public void Dispose() => _gate.Dispose();

    [Fact]
    public async Task Who_wants_to_be_alone_waits_for_those_at_work_and_lets_no_other_begin()
    {
        var (one, other) = (await _gate.EnterAsync(default), await _gate.EnterAsync(default));
        var begun = new TaskCompletionSource();
        var done = new TaskCompletionSource();
        var alone = _gate.AloneAsync(() =>
        {
            begun.SetResult();
            return done.Task;
        }, default);
        var late = _gate.EnterAsync(default).AsTask();
        one.Dispose();
        Assert.False(begun.Task.IsCompleted);
        other.Dispose();
        await begun.Task;
        Assert.False(late.IsCompleted);
        done.SetResult();
        await alone;
        (await late).Dispose();
    }

    [Fact]
    public async Task The_gate_opens_when_the_wait_is_given_up_and_when_the_work_fails()
    {
        var place = await _gate.EnterAsync(default);
        using var given = new CancellationTokenSource();
        var alone = _gate.AloneAsync(() => Task.CompletedTask, given.Token);
        var late = _gate.EnterAsync(default).AsTask();
        await given.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => alone);
        (await late).Dispose();
        place.Dispose();

        await Assert.ThrowsAsync<InvalidOperationException>(() => _gate.AloneAsync(() => throw new InvalidOperationException(), default));
        (await _gate.EnterAsync(default)).Dispose();
        await _gate.AloneAsync(() => Task.CompletedTask, default);
    }

    [Fact]
    public async Task Who_stops_waits_at_the_gate_no_longer()
    {
        var done = new TaskCompletionSource();
        var alone = _gate.AloneAsync(() => done.Task, default);
        using var stop = new CancellationTokenSource();
        var late = _gate.EnterAsync(stop.Token).AsTask();
        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => late);
        done.SetResult();
        await alone;
        await _gate.AloneAsync(() => Task.CompletedTask, default);   // nobody is counted who did not get in
    }
}
