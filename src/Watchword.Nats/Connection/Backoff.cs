namespace Watchword.Nats;

/// <summary>How long to wait before an attempt: none at first, then doubling, each between half and all of its step.</summary>
internal static class Backoff
{
    public static TimeSpan Delay(int failures, TimeSpan min, TimeSpan max)
    {
        if (failures <= 0)
            return TimeSpan.Zero;
        var step = Math.Min(min.TotalMilliseconds * Math.Pow(2, Math.Min(failures - 1, 30)), max.TotalMilliseconds);
        return TimeSpan.FromMilliseconds(step * (0.5 + Random.Shared.NextDouble() / 2));
    }
}
