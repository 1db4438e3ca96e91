using System.Diagnostics;

namespace Watchword.Tests;

/// <summary>For what another process will bring about, and nothing announces.</summary>
internal static class Eventually
{
    /// <inheritdoc cref="TrueAsync(Func{Task{bool}}, TimeSpan?)"/>
    public static Task TrueAsync(Func<bool> condition) => TrueAsync(() => Task.FromResult(condition()));

    /// <summary>Fails when the condition is not met in time.</summary>
    /// <param name="condition">Asked again every 10 ms.</param>
    /// <param name="patience">Default 30 s.</param>
    public static async Task TrueAsync(Func<Task<bool>> condition, TimeSpan? patience = null)
    {
        var limit = patience ?? TimeSpan.FromSeconds(30);
        for (var clock = Stopwatch.StartNew(); !await condition();)
        {
            Assert.True(clock.Elapsed < limit, $"the condition was not met within {limit.TotalSeconds} seconds");
            await Task.Delay(10);
        }
    }
}
