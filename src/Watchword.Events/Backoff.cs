namespace Watchword.Events;

/// <summary>The waits between retries: they double from the shortest to the longest, and start over after success.</summary>
/// <param name="min">The shortest wait.</param>
/// <param name="max">The longest wait.</param>
public sealed class Backoff(TimeSpan min, TimeSpan max)
{
    private TimeSpan? _next;
    private long _since = Environment.TickCount64;

    /// <summary>The wait before the next retry; the one after that is twice as long.</summary>
    public TimeSpan Next()
    {
        var wait = _next ?? min;
        _next = wait * 2 < max ? wait * 2 : max;
        return wait;
    }

    /// <summary>Waits before the next attempt. An attempt that lasted longer than the longest wait counts as success.</summary>
    /// <param name="ct">Stops waiting, without an exception.</param>
    public async Task WaitAsync(CancellationToken ct)
    {
        if (Environment.TickCount64 - _since > max.TotalMilliseconds)
            Reset();
        await Task.Delay(Next(), ct).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _since = Environment.TickCount64;
    }

    /// <summary>The attempt succeeded: the next wait is the shortest again.</summary>
    public void Reset() => _next = null;
}
