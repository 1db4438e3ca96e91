namespace Watchword.Events;

/// <summary>A moment on this process's own clock, which no change of the time of day moves.</summary>
public readonly record struct Deadline
{
    private readonly long _at;

    private Deadline(long at) => _at = at;

    /// <summary>The moment that lies <paramref name="wait"/> ahead.</summary>
    public static Deadline After(TimeSpan wait) => new(Environment.TickCount64 + (long)wait.TotalMilliseconds);

    /// <summary>Whether the moment has come. True for one that was never set.</summary>
    public bool HasPassed => Environment.TickCount64 >= _at;

    /// <summary>The time until then; zero when it has passed.</summary>
    public TimeSpan Left => TimeSpan.FromMilliseconds(Math.Max(0, _at - Environment.TickCount64));
}
