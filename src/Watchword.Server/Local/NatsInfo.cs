using System.Net;
using System.Net.Sockets;
using System.Text.Json;

namespace Watchword.Server.Local;

/// <summary>What a nats-server says of itself to everyone who connects.</summary>
internal sealed record NatsInfo(string ServerName, string Version, bool JetStream)
{
    private const string Prefix = "INFO ";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Null when nothing listens there, or nothing that speaks NATS.</summary>
    public static async Task<NatsInfo?> AskAsync(int port, CancellationToken cancel)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancel);
        limit.CancelAfter(Patience);
        try
        {
            using var client = new TcpClient();
            await client.ConnectAsync(IPAddress.Loopback, port, limit.Token);
            using var reader = new StreamReader(client.GetStream());
            var line = await reader.ReadLineAsync(limit.Token);
            return line is not null && line.StartsWith(Prefix, StringComparison.Ordinal) ? Parse(line[Prefix.Length..]) : null;
        }
        catch (OperationCanceledException) when (!cancel.IsCancellationRequested)
        {
            return null;
        }
        catch (Exception e) when (e is SocketException or IOException or JsonException)
        {
            return null;
        }
    }

    private static NatsInfo Parse(string json)
    {
        using var info = JsonDocument.Parse(json);
        var root = info.RootElement;
        return new(
            root.TryGetProperty("server_name", out var name) ? name.GetString() ?? "" : "",
            root.TryGetProperty("version", out var version) ? version.GetString() ?? "" : "",
            root.TryGetProperty("jetstream", out var jetStream) && jetStream.ValueKind == JsonValueKind.True);
    }
}
