using System.Globalization;
using System.Text.Json;
using NATS.Client.Core;
using Watchword.Events.JetStream;

namespace Watchword.Tests;

/// <summary>Three nats-servers on loopback that form one cluster with JetStream. Each keeps its ports and data over restarts.</summary>
public sealed class NatsCluster : IAsyncDisposable
{
    private readonly NatsServer[] _nodes;

    public NatsCluster()
    {
        var ports = Enumerable.Range(0, 3).Select(_ => TestPorts.Free()).ToArray();
        var routes = string.Join(", ", ports.Select(port => string.Create(CultureInfo.InvariantCulture, $"\"nats://127.0.0.1:{port}\"")));
        _nodes = [.. ports.Select((port, i) => new NatsServer(string.Create(CultureInfo.InvariantCulture, $$"""
            server_name: {{NameOf(i)}}
            server_tags: [ {{NameOf(i)}} ]
            cluster { name: tests, listen: "127.0.0.1:{{port}}", routes: [ {{routes}} ] }
            """)))];
    }

    public IReadOnlyList<NatsServer> Nodes => _nodes;

    /// <summary>All three servers, for a client.</summary>
    public string Url => string.Join(",", _nodes.Select(node => node.Url));

    /// <summary>Starts all three, and returns when they have a leader that serves JetStream.</summary>
    public async Task StartAsync()
    {
        await Task.WhenAll(_nodes.Select(node => node.StartAsync()));
        await using var connection = new NatsConnection(new NatsOptions { Url = Url, RequestTimeout = TimeSpan.FromSeconds(1) });
        await connection.ConnectAsync(TestContext.Current.CancellationToken);
        var js = new JetStream(connection);
        // A cluster without a leader does not answer; with one it says that there is no such stream. Replicas need
        // all three to have joined, which nothing but an attempt shows.
        await EventuallyAsync(async () =>
        {
            await js.CreateStreamAsync(new StreamConfig { Name = "ready", Storage = StreamStorage.Memory, Replicas = 3 });
            await js.DeleteStreamAsync("ready");
            return true;
        });
    }

    /// <summary>Creates a stream whose one replica is on this server.</summary>
    public async Task PlaceAsync(NatsConnection connection, StreamConfig stream, NatsServer home)
    {
        var placement = JsonSerializer.SerializeToElement(new { tags = new[] { NameOf(_nodes.IndexOf(home)) } });
        await new JetStream(connection).CreateStreamAsync(stream with { Other = new Dictionary<string, JsonElement> { ["placement"] = placement } });
        Assert.Same(home, await LeaderAsync(new(connection), stream.Name));
    }

    /// <summary>The server that leads a stream; waits until one does.</summary>
    public async Task<NatsServer> LeaderAsync(JetStream js, string stream)
    {
        NatsServer? leader = null;
        await EventuallyAsync(async () =>
        {
            var name = (await js.FindStreamAsync(stream))?.Cluster?.Leader;
            leader = _nodes.Where((_, i) => NameOf(i) == name).SingleOrDefault();
            return leader is not null;
        });
        return leader!;
    }

    /// <summary>Waits until every replica of a stream is there and has caught up.</summary>
    public static Task CaughtUpAsync(NatsConnection connection, string stream)
        => EventuallyAsync(async () =>
        {
            var answer = await connection.RequestAsync("$JS.API.STREAM.INFO." + stream);
            using var json = JsonDocument.Parse(answer.Payload);
            return json.RootElement.TryGetProperty("cluster", out var cluster)
                && cluster.TryGetProperty("replicas", out var replicas)
                && replicas.EnumerateArray().All(r => r.GetProperty("current").GetBoolean() && !r.TryGetProperty("offline", out _));
        });

    /// <summary>Waits for what only comes with a leader: errors that may be retried count as not yet.</summary>
    public static Task EventuallyAsync(Func<Task<bool>> condition)
        => Eventually.TrueAsync(async () =>
        {
            try
            {
                return await condition();
            }
            catch (NatsException e) when (e.IsTransient || e is JetStreamApiException { Code: 400 or 500 })
            {
                return false;
            }
        }, TimeSpan.FromMinutes(1)); // an election alone takes up to ten seconds, and longer where the processor is busy

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes)
            await node.DisposeAsync();
    }

    private static string NameOf(int node) => string.Create(CultureInfo.InvariantCulture, $"node-{node}");
}
