using Watchword.Nats;
using Watchword.Tests;

namespace Watchword.Bench;

/// <summary>The figures of the NATS client alone, beside the official JavaScript client on the same server.</summary>
internal static class NatsBench
{
    /// <summary>In the order in which they run; a name each, to run some of them alone.</summary>
    public static IReadOnlyList<string> Parts { get; } = ["publish", "consume", "core", "request", "reconnect", "memory"];

    public static async Task<IReadOnlyList<Figure>> RunAsync(IReadOnlyCollection<string> parts, CancellationToken ct)
    {
        var figures = new List<Figure>();
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var connection = new NatsConnection(new() { Url = server.Url, Name = "bench" });
        await connection.ConnectAsync(ct);
        await using var peer = JavaScriptPeer.Start(server.Url);
        await MeasureAsync("publish", "JetStream publish", () => JetStreamRates.PublishAsync(connection, peer, ct));
        await MeasureAsync("consume", "pull consume", () => JetStreamRates.ConsumeAsync(connection, peer, ct));
        await MeasureAsync("core", "core publish and subscribe", () => CoreRates.RunAsync(connection, peer, ct));
        await MeasureAsync("request", "request and reply", () => RequestBench.RunAsync(connection, peer, ct));
        await MeasureAsync("reconnect", "reconnecting", () => ReconnectBench.RunAsync(ct));
        await MeasureAsync("memory", "allocations", () => MemoryBench.RunAsync(server.Url, ct));
        return figures;

        async Task MeasureAsync(string part, string title, Func<Task<IReadOnlyList<Figure>>> work)
        {
            if (parts.Contains(part))
                figures.AddRange(await Progress.ShowAsync(title, work));
        }
    }
}
