using System.Diagnostics;

namespace Watchword.Tests;

/// <summary>For what another process will bring about, and nothing announces.</summary>
internal static class Eventually
{
    /// <inheritdoc cref="TrueAsync(Func{Task{bool}})"/>
    public static Task TrueAsync(Func<bool> condition) => TrueAsync(() => Task.FromResult(condition()));

    /// <summary>Fails when the condition is not met within 30 s.</summary>
    public static async Task TrueAsync(Func<Task<bool>> condition)
    {
        for (var clock = Stopwatch.StartNew(); !await condition();)
        {
            Assert.True(clock.Elapsed < TimeSpan.FromSeconds(30), "the condition was not met within 30 seconds");
            await Task.Delay(10);
        }
    }
}
