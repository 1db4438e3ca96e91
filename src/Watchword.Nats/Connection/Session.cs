using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;

namespace Watchword.Nats;

/// <summary>One open connection to one server, from its handshake to its end: a read loop, a write loop, a pulse.</summary>
internal sealed class Session : IAsyncDisposable
{
    private readonly NatsConnection _owner;
    private readonly Stream _stream;
    private readonly PipeReader _reader;
    private readonly ProtocolParser _parser;
    private readonly CancellationTokenSource _ended = new();
    private readonly TaskCompletionSource<NatsException> _failure = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Queue<TaskCompletionSource?> _pings = new();
    private ServerInfo? _info;

    private Session(NatsConnection owner, ServerAddress server, Stream stream)
    {
        _owner = owner;
        Server = server;
        _stream = stream;
        _reader = PipeReader.Create(stream, new StreamPipeReaderOptions(bufferSize: 64 * 1024, minimumReadSize: 4 * 1024));
        _parser = new ProtocolParser(owner.Options.MaxInboundPayload);
        Outbound = new OutboundBuffer(owner.Options.WriteBufferBytes);
    }

    public ServerAddress Server { get; }

    public OutboundBuffer Outbound { get; }

    public ServerInfo Info => _info ?? throw new InvalidOperationException("The handshake is not done.");

    /// <summary>Connects and shakes hands: INFO, CONNECT + PING, PONG.</summary>
    /// <exception cref="NatsException">The server spoke and we cannot go on.</exception>
    /// <exception cref="IOException">The server left.</exception>
    public static async Task<Session> OpenAsync(NatsConnection owner, ServerAddress server, CancellationToken ct)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        Session? session = null;
        try
        {
            await socket.ConnectAsync(server.Host, server.Port, ct);
            session = new Session(owner, server, new NetworkStream(socket, ownsSocket: true));
            await session.HandshakeAsync(ct);
            return session;
        }
        catch
        {
            if (session is null)
                socket.Dispose();
            else
                await session.DisposeAsync();
            throw;
        }
    }

    /// <summary>Runs until the connection ends, for whatever reason; gives the reason.</summary>
    public async Task<NatsException> RunAsync()
    {
        Task[] loops = [GuardAsync(ReadLoopAsync), GuardAsync(WriteLoopAsync), GuardAsync(PulseAsync)];
        var reason = await _failure.Task;
        await DisposeAsync();
        await Task.WhenAll(loops);
        await _reader.CompleteAsync();
        _ended.Dispose();
        return reason;
    }

    /// <summary>Ends the session. The first reason stands.</summary>
    public void Abort(NatsException reason) => _failure.TrySetResult(reason);

    /// <summary>Sends PING; the task completes at its PONG. False when the session is over.</summary>
    public bool TryPing(out Task pong)
    {
        var source = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        pong = source.Task;
        return SendPing(source);
    }

    /// <summary>Closes the socket and everything that waits on it. Safe to call twice.</summary>
    public async ValueTask DisposeAsync()
    {
        Abort(new NatsDisconnectedException("The connection was closed."));
        Outbound.Close();
        try
        {
            await _ended.CancelAsync();
        }
        catch (ObjectDisposedException)
        {
            // Run to its end already.
        }

        await _stream.DisposeAsync();
        lock (_pings)
            while (_pings.TryDequeue(out var pong))
                pong?.TrySetException(new NatsDisconnectedException("The connection dropped before the PONG came."));
    }

    private async Task HandshakeAsync(CancellationToken ct)
    {
        var asked = false;
        while (true)
        {
            var read = await _reader.ReadAsync(ct);
            var buffer = read.Buffer;
            var (wanted, open) = Greet(ref buffer, asked);
            _reader.AdvanceTo(buffer.Start, buffer.End);
            if (open)
                return;
            if (wanted is not null)
            {
                asked = true;
                await _stream.WriteAsync(wanted, ct);
            }
            else if (read.IsCompleted)
            {
                throw new EndOfStreamException("The server closed the connection during the handshake.");
            }
        }
    }

    /// <summary>Takes what has arrived during the handshake; gives what to send, and whether the server said yes.</summary>
    private (byte[]? Send, bool Open) Greet(ref ReadOnlySequence<byte> buffer, bool asked)
    {
        byte[]? send = null;
        while (_parser.TryRead(ref buffer, out var frame))
        {
            switch (frame.Kind)
            {
                case FrameKind.Info:
                    TakeInfo(frame.Text);
                    if (Info.TlsRequired)
                        throw new NatsConnectException("The server requires TLS, which is not supported yet.", isTransient: false);
                    if (!asked && send is null)
                        send = [.. Connect().Encode(), .. ProtocolWriter.Ping];
                    break;
                case FrameKind.Pong when _info is not null:
                    return (null, true);
                case FrameKind.Ok or FrameKind.Ping:
                    break;
                case FrameKind.Error:
                    throw Refused(Encoding.UTF8.GetString(frame.Text));
                default:
                    throw new NatsProtocolException("The server did not begin with INFO; is this a NATS server?");
            }
        }

        return (send, false);
    }

    private ConnectCommand Connect() => new()
    {
        Name = _owner.Options.Name,
        User = Server.User,
        Pass = Server.Password,
        AuthToken = Server.Token,
    };

    private NatsConnectException Refused(string text)
    {
        var kind = ServerError.Classify(text);
        if (kind != ServerErrorKind.Authentication)
            return new NatsConnectException($"{Server} refused the connection: {text}.", kind is ServerErrorKind.Limit or ServerErrorKind.Reconnect);
        var who = Server switch
        {
            { User: { } user } => $"user '{user}'",
            { Token: not null } => "the configured token",
            _ => "no credentials, but it wants some",
        };
        return new NatsConnectException($"{Server} refused the connection: {text} (tried with {who}).", isTransient: false)
        {
            IsAuthentication = true,
        };
    }

    private async Task GuardAsync(Func<CancellationToken, Task> loop)
    {
        try
        {
            await loop(_ended.Token);
        }
        catch (NatsException e)
        {
            Abort(e);
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or OperationCanceledException)
        {
            Abort(new NatsDisconnectedException($"The connection to {Server} was lost.", e));
        }
        catch (Exception e)
        {
            // A defect in this client: say so, and let the reconnect start afresh.
            Abort(new NatsDisconnectedException($"An unexpected error ended the connection to {Server}.", e));
        }
    }

    private async Task ReadLoopAsync(CancellationToken ct)
    {
        while (true)
        {
            var read = await _reader.ReadAsync(ct);
            var buffer = read.Buffer;
            while (_parser.TryRead(ref buffer, out var frame))
                Take(frame);
            _reader.AdvanceTo(buffer.Start, buffer.End);
            if (read.IsCompleted)
                throw new NatsDisconnectedException($"{Server} closed the connection.");
        }
    }

    private void Take(in Frame frame)
    {
        switch (frame.Kind)
        {
            case FrameKind.Message:
                _owner.Dispatch(frame);
                break;
            case FrameKind.Ping:
                Outbound.TryAppend(ProtocolWriter.Pong);
                break;
            case FrameKind.Pong:
                TaskCompletionSource? pong;
                lock (_pings)
                    _pings.TryDequeue(out pong);
                pong?.TrySetResult();
                break;
            case FrameKind.Info:
                TakeInfo(frame.Text);
                _owner.OnInfo(this);
                break;
            case FrameKind.Error:
                _owner.OnServerError(this, Encoding.UTF8.GetString(frame.Text));
                break;
            default:
                break; // +OK says nothing
        }
    }

    private void TakeInfo(ReadOnlySpan<byte> json)
    {
        try
        {
            _info = JsonSerializer.Deserialize(json, ProtocolJson.Default.ServerInfo)
                ?? throw new NatsProtocolException("The server sent an empty INFO.");
        }
        catch (JsonException e)
        {
            throw new NatsProtocolException("The server sent an INFO that is not JSON.", e);
        }
    }

    private async Task WriteLoopAsync(CancellationToken ct)
    {
        while (true)
        {
            var bytes = await Outbound.TakeAsync();
            if (bytes.IsEmpty)
                return;
            await _stream.WriteAsync(bytes, ct);
        }
    }

    /// <summary>Asks at intervals whether the server lives; gives up when too many questions are open.</summary>
    private async Task PulseAsync(CancellationToken ct)
    {
        using var timer = new PeriodicTimer(_owner.Options.PingInterval);
        while (await timer.WaitForNextTickAsync(ct))
        {
            lock (_pings)
                if (_pings.Count >= _owner.Options.MaxPingsOut)
                    throw new NatsDisconnectedException($"{Server} is silent: {_pings.Count} PINGs are unanswered.");
            SendPing(pong: null);
        }
    }

    private bool SendPing(TaskCompletionSource? pong)
    {
        // Under one lock, since PONGs carry no number: they answer in the order of the PINGs.
        lock (_pings)
        {
            if (!Outbound.TryAppend(ProtocolWriter.Ping))
                return false;
            _pings.Enqueue(pong);
            return true;
        }
    }
}
