namespace Watchword.Bench;

/// <summary>How much memory a server that does nothing takes: its own process, the engines beside it not counted.</summary>
internal static class IdleBench
{
    private const double Goal = 120;
    private const int Registrations = 20;
    private static readonly TimeSpan AfterStart = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan AfterWork = TimeSpan.FromSeconds(10);

    /// <summary>For a server that has just started and has answered nothing yet.</summary>
    public static async Task<IReadOnlyList<Figure>> RunAsync(ServerProcess server, CancellationToken ct)
    {
        await Task.Delay(AfterStart, ct);
        var idle = await server.MemoryAsync(ct);
        await Task.WhenAll(Enumerable.Range(0, Registrations).Select(i => server.RegisterAsync($"idle{i}@example.com", ct)));
        await Task.Delay(AfterWork, ct);
        var after = await server.MemoryAsync(ct);
        return
        [
            new("idle server", "MB resident", [new("after start", idle, AtMost: Goal), new("after a burst", after, AtMost: Goal)],
                $"{AfterStart.TotalSeconds:0} s after the start, and {AfterWork.TotalSeconds:0} s after {Registrations} registrations at once"),
        ];
    }
}
