using System.IO.Pipelines;
using System.Net.Sockets;
using System.Text;

namespace Watchword.Nats;

/// <summary>One open connection to one server, from its handshake to its end: a read loop, a write loop, a pulse.</summary>
internal sealed partial class Session : IAsyncDisposable
{
    // A write of which the connection's end leaves open how much arrived. Small, since its commands are given up.
    private const int SliceBytes = 64 * 1024;

    private readonly NatsConnection _owner;
    private readonly ProtocolParser _parser;
    private readonly CancellationTokenSource _ended = new();
    private readonly TaskCompletionSource<NatsException> _failure = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Queue<TaskCompletionSource?> _pings = new();
    private Stream _stream;
    private PipeReader _reader;
    private NatsCredentials _credentials = new();
    private ServerInfo? _info;

    private Session(NatsConnection owner, ServerAddress server, Stream stream)
    {
        _owner = owner;
        Server = server;
        _stream = stream;
        _reader = ReaderOf(stream);
        _parser = new ProtocolParser(owner.Options.MaxInboundPayload);
        Outbound = new OutboundBuffer(owner.Options.WriteBufferBytes);
    }

    public ServerAddress Server { get; }

    public OutboundBuffer Outbound { get; }

    public ServerInfo Info => _info ?? throw new InvalidOperationException("The handshake is not done.");

    // Room for half a pull of a thousand messages: each further read wakes a thread, and costs more than its bytes.
    private static PipeReader ReaderOf(Stream stream)
        => PipeReader.Create(stream, new StreamPipeReaderOptions(bufferSize: 256 * 1024, minimumReadSize: 16 * 1024, leaveOpen: true));

    /// <summary>Runs until the connection ends, for whatever reason; gives the reason.</summary>
    public async Task<NatsException> RunAsync()
    {
        Task[] loops = [GuardAsync(ReadLoopAsync), GuardAsync(WriteLoopAsync), GuardAsync(PulseAsync)];
        var reason = await _failure.Task;
        await DisposeAsync();
        await Task.WhenAll(loops);
        await ReleaseAsync();
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

    /// <summary>Gives the read buffers back; nothing may be reading any more.</summary>
    private async ValueTask ReleaseAsync()
    {
        await _reader.CompleteAsync();
        _ended.Dispose();
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
            _owner.Log.SessionFailed(Server, e);
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

    private async Task WriteLoopAsync(CancellationToken ct)
    {
        while (true)
        {
            var bytes = await Outbound.TakeAsync();
            if (bytes.IsEmpty)
                return;
            for (; !bytes.IsEmpty; bytes = bytes[Math.Min(bytes.Length, SliceBytes)..])
                await _stream.WriteAsync(Outbound.Attempt(bytes[..Math.Min(bytes.Length, SliceBytes)]), ct);
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
