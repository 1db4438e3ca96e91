namespace Watchword.Bench;

/// <summary>The figures of the event backbone.</summary>
internal static class EventsBench
{
    /// <summary>In the order in which they run; a name each, to run some of them alone.</summary>
    public static IReadOnlyList<string> Parts { get; } = ["subscriber", "replay", "audit"];

    public static async Task<IReadOnlyList<Figure>> RunAsync(IReadOnlyCollection<string> parts, CancellationToken ct)
    {
        var figures = new List<Figure>();
        await using var bench = await Workbench.StartAsync(ct);
        await MeasureAsync("subscriber", "subscribers", () => SubscriberBench.RunAsync(bench, ct));
        await MeasureAsync("replay", "replay", () => ReplayBench.RunAsync(bench, ct));
        await MeasureAsync("audit", "audit of the stream", () => AuditBench.RunAsync(bench, ct));
        return figures;

        async Task MeasureAsync(string part, string title, Func<Task<IReadOnlyList<Figure>>> work)
        {
            if (parts.Contains(part))
                figures.AddRange(await Progress.ShowAsync(title, work));
        }
    }
}
