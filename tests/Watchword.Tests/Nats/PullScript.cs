using System.Globalization;
using System.Text.Json;
using Watchword.Nats;

namespace Watchword.Tests.Nats;

/// <summary>A pull consumer in front of a server that says what the test dictates.</summary>
internal sealed class PullScript : IAsyncDisposable
{
    private readonly ScriptedServer _server = new();
    private string _inbox = "";
    private string _sid = "";
    private int _sequence;

    private PullScript(ConsumeOptions options)
    {
        Options = options;
        Connection = new NatsConnection(new NatsOptions { Url = _server.Url, LoggerFactory = Log, ConnectTimeout = TimeSpan.FromSeconds(30) });
    }

    public ConsumeOptions Options { get; }

    public LogCapture Log { get; } = new();

    public NatsConnection Connection { get; }

    public PullConsumer Consumer { get; private set; } = null!;

    public ScriptedPeer Peer { get; private set; } = null!;

    /// <summary>Begins to consume; no pull has been read yet.</summary>
    public static async Task<PullScript> StartAsync(ConsumeOptions options)
    {
        var script = new PullScript(options);
        script.Connection.Start();
        // While the connection is away nobody is asked whether the consumer exists.
        script.Consumer = await new JetStream(script.Connection).ConsumeAsync("s", "c", options, TestContext.Current.CancellationToken);
        await script.WelcomeAsync();
        return script;
    }

    /// <summary>Takes the client in, the first time or again.</summary>
    public async Task WelcomeAsync()
    {
        Peer = await _server.WelcomeAsync();
        await Peer.NextAsync("SUB"); // the requests' inbox
        var inbox = await Peer.NextAsync("SUB");
        (_inbox, _sid) = (inbox.Subject, inbox.Sid);
    }

    /// <summary>The next pull: how many messages it asks for, and how many bytes (0: without bound).</summary>
    public async Task<(int Messages, int Bytes)> PullAsync()
    {
        var frame = await Peer.NextAsync("PUB");
        Assert.Equal(("$JS.API.CONSUMER.MSG.NEXT.s.c", _inbox), (frame.Subject, frame.ReplyTo));
        using var json = JsonDocument.Parse(frame.Payload);
        Assert.Equal(Options.Expires.Ticks * 100, json.RootElement.GetProperty("expires").GetInt64());
        Assert.Equal(Options.Heartbeat.Ticks * 100, json.RootElement.GetProperty("idle_heartbeat").GetInt64());
        return (json.RootElement.GetProperty("batch").GetInt32(), json.RootElement.TryGetProperty("max_bytes", out var bytes) ? bytes.GetInt32() : 0);
    }

    /// <summary>All that the server said has been taken, and until then no pull has come.</summary>
    public async Task NoPullAsync()
    {
        var ping = Connection.PingAsync(TestContext.Current.CancellationToken);
        Assert.Equal("PING", (await Peer.NextAsync()).Verb);
        await Peer.SendAsync("PONG\r\n");
        await ping;
    }

    public Task StatusAsync(string status, int? messages = null, int? bytes = null)
    {
        var counts = messages is null ? "" : string.Create(CultureInfo.InvariantCulture, $"Nats-Pending-Messages: {messages}\r\nNats-Pending-Bytes: {bytes ?? 0}\r\n");
        return Peer.DeliverAsync(_inbox, headers: $"NATS/1.0 {status}\r\n{counts}\r\n");
    }

    public async Task MessagesAsync(int count, string payload = "")
    {
        for (var i = 0; i < count; i++)
        {
            _sequence++;
            var ack = string.Create(CultureInfo.InvariantCulture, $"$JS.ACK.s.c.1.{_sequence}.{_sequence}.1700000000000000000.0");
            await Peer.DeliverAsync("s.x", payload, ack, sid: _sid);
        }
    }

    public async Task ReadAsync(int count)
    {
        while (count-- > 0)
            await PullConsumerTests.NextAsync(Consumer);
    }

    public async ValueTask DisposeAsync()
    {
        await _server.DisposeAsync(); // first, since the client would wait for its last PONG
        await Connection.DisposeAsync();
        await Consumer.DisposeAsync();
    }
}
