namespace Watchword.Tests;

/// <summary>Chance that can be repeated.</summary>
internal static class TestRandom
{
    /// <summary>A new one, whose seed is in the test's output.</summary>
    public static Random Create()
    {
        var seed = Environment.TickCount;
        TestContext.Current.TestOutputHelper?.WriteLine($"seed {seed}");
        return new(seed);
    }
}
