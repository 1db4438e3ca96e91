using System.Diagnostics;
using System.Text.Json;
using System.Text.Json.Nodes;
using Watchword.Tests;

namespace Watchword.Bench;

/// <summary>The official JavaScript client, in a process of its own, doing the same work on the same server.</summary>
internal sealed class JavaScriptPeer : IAsyncDisposable
{
    private readonly Process _process;

    private JavaScriptPeer(Process process) => _process = process;

    public static JavaScriptPeer Start(string server)
    {
        return new(Process.Start(new ProcessStartInfo("node", ["bench.mjs", server.Replace("nats://", "", StringComparison.Ordinal)])
        {
            WorkingDirectory = Path.Combine(Repository.Root, "tests", "conformance"),   // where its package is installed
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
        })!);
    }

    /// <summary>Has it do something; answers the seconds that it took.</summary>
    public async Task<double> SecondsAsync(object order, CancellationToken ct) => (double)(await OrderAsync(order, ct))["seconds"]!;

    /// <summary>Has it do something; answers what it says.</summary>
    public async Task<JsonNode> OrderAsync(object order, CancellationToken ct)
    {
        await _process.StandardInput.WriteLineAsync(JsonSerializer.Serialize(order).AsMemory(), ct);
        await _process.StandardInput.FlushAsync(ct);
        var answer = await _process.StandardOutput.ReadLineAsync(ct)
            ?? throw new InvalidOperationException("The JavaScript client has ended; what it says stands above.");
        return JsonNode.Parse(answer)!;
    }

    public async ValueTask DisposeAsync()
    {
        // The end of its input is the end of its work; one that was interrupted does not read any more.
        _process.StandardInput.Close();
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(2));
        await _process.WaitForExitAsync(patience.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        if (!_process.HasExited)
            _process.Kill();
        _process.Dispose();
    }
}
