using System.Globalization;
using NATS.Client.Core;
using NATS.Client.JetStream;
using NATS.Client.JetStream.Models;
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
        await using var client = JetStreamClient.Connect(new() { Url = Url });
        await client.WaitUntilOpenAsync(TestContext.Current.CancellationToken);
        // A cluster without a leader does not answer; with one it says that there is no such stream. Replicas need
        // all three to have joined, which nothing but an attempt shows.
        await EventuallyAsync(async () =>
        {
            await client.CreateStreamAsync(new() { Name = "ready", Storage = StreamConfigStorage.Memory, NumReplicas = 3 });
            await client.DeleteStreamAsync("ready");
            return true;
        });
    }

    /// <summary>Creates a stream whose one replica is on this server.</summary>
    public async Task PlaceAsync(JetStreamClient client, StreamConfig stream, NatsServer home)
    {
        await client.CreateStreamAsync(stream with { Placement = new() { Tags = [NameOf(_nodes.IndexOf(home))] } });
        Assert.Same(home, await LeaderAsync(client, stream.Name!));
    }

    /// <summary>The server that leads a stream; waits until one does.</summary>
    public async Task<NatsServer> LeaderAsync(JetStreamClient client, string stream)
    {
        NatsServer? leader = null;
        await EventuallyAsync(async () =>
        {
            var name = (await client.FindStreamAsync(stream))?.Cluster?.Leader;
            leader = _nodes.Where((_, i) => NameOf(i) == name).SingleOrDefault();
            return leader is not null;
        });
        return leader!;
    }

    /// <summary>Waits for what only comes with a leader: errors that may be retried count as not yet.</summary>
    public static Task EventuallyAsync(Func<Task<bool>> condition)
        => Eventually.TrueAsync(async () =>
        {
            try
            {
                return await condition();
            }
            catch (NatsException e) when (e.IsTransient() || e is NatsJSApiException { Error.Code: 400 or 500 })
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
