namespace Watchword.Nats;

/// <summary>What became of an attempt to publish.</summary>
internal enum PublishOutcome
{
    Accepted,
    Full,
    Disconnected,
}

/// <summary>
/// What is to be sent on one connection. Publishers write whole commands into one array under a short lock, while the
/// write loop sends the other; then the two change places. So writes coalesce by themselves, nothing is allocated,
/// and a command is never cut by another. It belongs to one connection and ends with it; what it still held then is
/// given to the next one as far as nobody was told that it failed.
/// </summary>
/// <param name="bound">How many bytes may wait. One command larger than that is taken when nothing else waits.</param>
internal sealed class OutboundBuffer(int bound)
{
    private const int SmallestArray = 16 * 1024;

    private readonly Lock _gate = new();
    private readonly AsyncSignal _ready = new();
    private byte[] _filling = new byte[SmallestArray];
    private byte[] _sending = new byte[SmallestArray];
    private int _count;
    private int _taken;
    private int _attempted;
    private bool _closed;
    private TaskCompletionSource? _space;

    /// <summary>Bytes not yet handed to the socket.</summary>
    public int Pending
    {
        get
        {
            lock (_gate)
                return _count;
        }
    }

    /// <summary>Adds a message. Urgent ones, small answers of the client itself (acks, pulls), pass even a full buffer.</summary>
    public PublishOutcome TryPublish(
        SubjectText subject, SubjectText reply, ReadOnlySpan<byte> headers, ReadOnlySpan<byte> payload, bool urgent = false)
    {
        var size = ProtocolWriter.MaxPublishBytes(subject, reply, headers.Length, payload.Length);
        lock (_gate)
        {
            if (_closed)
                return PublishOutcome.Disconnected;
            if (!urgent && _count > 0 && _count + size > bound)
                return PublishOutcome.Full;
            _count += ProtocolWriter.WritePublish(Reserve(size), subject, reply, headers, payload);
        }

        _ready.Set();
        return PublishOutcome.Accepted;
    }

    /// <summary>Adds a small command (SUB, PING); these are not held up by the bound. False when closed.</summary>
    public bool TryAppend(ReadOnlySpan<byte> command)
    {
        lock (_gate)
        {
            if (_closed)
                return false;
            command.CopyTo(Reserve(command.Length));
            _count += command.Length;
        }

        _ready.Set();
        return true;
    }

    /// <summary>Completes when there may be room again, or when the buffer is closed.</summary>
    public Task WaitForSpaceAsync(CancellationToken ct)
    {
        lock (_gate)
        {
            if (_closed || _count == 0)
                return Task.CompletedTask;
            _space ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            return _space.Task.WaitAsync(ct);
        }
    }

    /// <summary>For the write loop: all that waits, valid until the next call; empty once closed.</summary>
    public async ValueTask<ReadOnlyMemory<byte>> TakeAsync()
    {
        while (true)
        {
            TaskCompletionSource? space;
            ReadOnlyMemory<byte> taken;
            lock (_gate)
            {
                if (_closed)
                    return default;
                (_filling, _sending) = (_sending, _filling);
                taken = _sending.AsMemory(0, _count);
                (_taken, _attempted, _count) = (_count, 0, 0);
                if (_filling.Length > 2L * bound)
                    _filling = new byte[SmallestArray]; // a giant passed through; do not keep its room
                (space, _space) = (_space, null);
            }

            space?.TrySetResult();
            if (!taken.IsEmpty)
                return taken;
            await _ready.WaitAsync();
        }
    }

    /// <summary>For the write loop: notes that these bytes, the next of what it took, may reach the server from now on.</summary>
    public ReadOnlyMemory<byte> Attempt(ReadOnlyMemory<byte> next)
    {
        _attempted += next.Length;
        return next;
    }

    /// <summary>
    /// After the write loop has ended: the publishes that cannot have reached the server as a whole and that nobody
    /// waits for. A command of which a part was sent is among them, from its first byte.
    /// </summary>
    public byte[] Unsent()
    {
        lock (_gate)
            return [.. UnsentCommands.Of(_sending.AsSpan(0, _taken), _attempted), .. UnsentCommands.Of(_filling.AsSpan(0, _count), 0)];
    }

    /// <summary>Refuses everything from here on and wakes everyone. Safe to call twice.</summary>
    public void Close()
    {
        TaskCompletionSource? space;
        lock (_gate)
        {
            _closed = true;
            (space, _space) = (_space, null);
        }

        space?.TrySetResult();
        _ready.Set();
    }

    private Span<byte> Reserve(int size)
    {
        if (_count + size > _filling.Length)
            Array.Resize(ref _filling, Math.Max(_count + size, _filling.Length * 2));
        return _filling.AsSpan(_count);
    }
}
