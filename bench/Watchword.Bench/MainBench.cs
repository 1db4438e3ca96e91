using Spectre.Console;

namespace Watchword.Bench;

/// <summary>Every figure, in one run.</summary>
internal static class MainBench
{
    private sealed record Part(string Name, string Title, Func<Task<IReadOnlyList<Figure>>> RunAsync);

    /// <summary>In the order in which they run; a name each, to run some of them alone.</summary>
    public static IReadOnlyList<string> Parts { get; } = ["idle", "freshness", "relay", "sync", "broker", "scrypt"];

    public static async Task<IReadOnlyList<Figure>> RunAsync(IReadOnlyCollection<string> parts, CancellationToken ct)
    {
        var figures = new List<Figure>();
        if (parts.Contains("idle") || parts.Contains("freshness"))
        {
            await using var server = await ServerProcess.StartAsync(ct);
            await MeasureAsync(
                new("idle", "memory of an idle server", () => IdleBench.RunAsync(server, ct)),
                new("freshness", "from commit to target", () => FreshnessBench.RunAsync(server, ct)));
        }
        if (parts.Contains("relay") || parts.Contains("sync") || parts.Contains("broker"))
        {
            await using var bench = await Workbench.StartAsync(ct);
            await MeasureAsync(
                new("relay", "the relay", () => RelayBench.RunAsync(bench, ct)),
                new("sync", "user sync", () => SyncBench.RunAsync(bench, ct)),
                new("broker", "logins with and without NATS", () => BrokerBench.RunAsync(bench, ct)));
        }
        await MeasureAsync(new Part("scrypt", "password hashing", () => Task.Run(Scrypt, ct)));
        return figures;

        async Task MeasureAsync(params Part[] candidates)
        {
            foreach (var part in candidates.Where(p => parts.Contains(p.Name)))
                figures.AddRange(await Progress.ShowAsync(part.Title, part.RunAsync));
        }
    }

    private static IReadOnlyList<Figure> Scrypt() =>
    [
        .. ScryptBench.Run().Select(r => new Figure(
            $"scrypt, {r.Threads} thread{(r.Threads == 1 ? "" : "s")}", "× OpenSSL",
            [new("single", r.Single, AtLeast: 1.0), new("batched", r.Batched, AtLeast: 1.8)],
            $"N=16384 r=16 p=1, beside OpenSSL's {r.OpenSslPerSecond:0.0} hashes a second")),
    ];
}

/// <summary>Says on a terminal what is being measured; says nothing elsewhere.</summary>
internal static class Progress
{
    private static readonly IAnsiConsole Terminal = AnsiConsole.Create(new() { Out = new AnsiConsoleOutput(Console.Error) });

    public static Task<T> ShowAsync<T>(string title, Func<Task<T>> work) => Console.IsErrorRedirected
        ? work()
        : Terminal.Status().Spinner(Spinner.Known.Dots).StartAsync($"measuring {title}…", _ => work());
}
