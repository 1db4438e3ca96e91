using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading.Channels;

namespace Watchword.Tests;

/// <summary>
/// Something that speaks NATS as the test dictates, line by line: for what a real server will not do on demand. The
/// test accepts a client, greets it or not, sends what it likes and reads what comes.
/// </summary>
internal sealed class ScriptedServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly List<ScriptedPeer> _peers = [];

    public ScriptedServer()
    {
        _listener.Start();
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
    }

    public int Port { get; }

    public string Url => string.Create(CultureInfo.InvariantCulture, $"nats://127.0.0.1:{Port}");

    /// <summary>The next client, to which nothing has been said. Fails after 30 s.</summary>
    public async Task<ScriptedPeer> AcceptAsync()
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(TimeSpan.FromSeconds(30));
        var peer = new ScriptedPeer(await _listener.AcceptTcpClientAsync(limit.Token));
        _peers.Add(peer);
        return peer;
    }

    /// <summary>The next client, greeted and open.</summary>
    /// <param name="info">More members of INFO, such as <c>"ldm":true</c>.</param>
    public async Task<ScriptedPeer> WelcomeAsync(string info = "")
    {
        var peer = await AcceptAsync();
        await peer.SendAsync(ScriptedPeer.Info(info));
        await peer.NextAsync("CONNECT");
        await peer.NextAsync("PING");
        await peer.SendAsync("PONG\r\n");
        return peer;
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        foreach (var peer in _peers)
            await peer.DisposeAsync();
    }
}

/// <summary>One client, seen from a <see cref="ScriptedServer"/>.</summary>
internal sealed class ScriptedPeer : IAsyncDisposable
{
    private readonly TcpClient _client;
    private readonly NetworkStream _stream;
    private readonly Channel<WireFrame> _frames = Channel.CreateUnbounded<WireFrame>();
    private readonly Dictionary<string, string> _sids = new(StringComparer.Ordinal);
    private readonly Task _reading;

    public ScriptedPeer(TcpClient client)
    {
        client.NoDelay = true;
        _client = client;
        _stream = client.GetStream();
        _reading = ReadAsync();
    }

    /// <summary>INFO as a nats-server 2.9 would say it; what is given in <paramref name="more"/> wins.</summary>
    public static string Info(string more = "")
        => "INFO {\"server_id\":\"S\",\"server_name\":\"scripted\",\"version\":\"2.9.10\",\"proto\":1,\"headers\":true,\"jetstream\":true,\"max_payload\":1048576"
            + (more.Length == 0 ? "" : "," + more) + "}\r\n";

    public Task SendAsync(string text) => SendAsync(Encoding.Latin1.GetBytes(text));

    public async Task SendAsync(byte[] bytes) => await _stream.WriteAsync(bytes);

    /// <summary>Delivers a message to the subscription that takes the subject.</summary>
    public Task DeliverAsync(string subject, string payload = "", string replyTo = "", string headers = "")
    {
        var sid = SidOf(subject);
        var reply = replyTo.Length == 0 ? "" : replyTo + " ";
        return SendAsync(headers.Length == 0
            ? string.Create(CultureInfo.InvariantCulture, $"MSG {subject} {sid} {reply}{payload.Length}\r\n{payload}\r\n")
            : string.Create(CultureInfo.InvariantCulture, $"HMSG {subject} {sid} {reply}{headers.Length} {headers.Length + payload.Length}\r\n{headers}{payload}\r\n"));
    }

    /// <summary>The next frame of that verb; others are passed over. Fails after 30 s, or when the client has left.</summary>
    public async Task<WireFrame> NextAsync(string verb)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(TestContext.Current.CancellationToken);
        limit.CancelAfter(TimeSpan.FromSeconds(30));
        while (true)
        {
            var frame = await _frames.Reader.ReadAsync(limit.Token);
            if (frame.Verb == verb)
                return frame;
        }
    }

    /// <summary>The next frame, whatever it is.</summary>
    public async Task<WireFrame> NextAsync()
        => await _frames.Reader.ReadAsync(TestContext.Current.CancellationToken).AsTask().WaitAsync(TimeSpan.FromSeconds(30));

    /// <summary>Frames that have come and were not read yet.</summary>
    public IEnumerable<WireFrame> Rest()
    {
        while (_frames.Reader.TryRead(out var frame))
            yield return frame;
    }

    /// <summary>Answers the client's next PING, by which it knows that all before it has arrived.</summary>
    public async Task PongAsync()
    {
        await NextAsync("PING");
        await SendAsync("PONG\r\n");
    }

    /// <summary>Completes when the client has closed the connection. Fails after 30 s.</summary>
    public Task GoneAsync() => _reading.WaitAsync(TimeSpan.FromSeconds(30), TestContext.Current.CancellationToken);

    public async ValueTask DisposeAsync()
    {
        _client.Dispose();
        await _reading;
    }

    private async Task ReadAsync()
    {
        try
        {
            var reader = new WireReader(_stream);
            while (await reader.ReadAsync() is { } frame)
            {
                if (frame.Verb == "SUB")
                    lock (_sids)
                        _sids[frame.Subject] = frame.Sid;
                _frames.Writer.TryWrite(frame);
            }
        }
        catch (Exception e) when (e is IOException or ObjectDisposedException)
        {
            // Closed by one side.
        }

        _frames.Writer.TryComplete();
    }

    private string SidOf(string subject)
    {
        lock (_sids)
            return _sids.TryGetValue(subject, out var sid) || _sids.TryGetValue(subject[..(subject.LastIndexOf('.') + 1)] + "*", out sid)
                ? sid
                : throw new InvalidOperationException($"Nobody has subscribed to {subject}.");
    }
}
