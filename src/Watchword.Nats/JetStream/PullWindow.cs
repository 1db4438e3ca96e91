namespace Watchword.Nats;

/// <summary>
/// Counts what is under way from the server and what waits for the reader; together they never exceed the window.
/// Pure arithmetic; the caller holds a lock.
/// </summary>
internal sealed class PullWindow(ConsumeOptions options)
{
    private readonly int _maxBytes = options.MaxBytes ?? 0;
    private long _asked;
    private long _askedBytes;
    private long _unread;
    private long _unreadBytes;

    /// <summary>Whether messages are expected from the server.</summary>
    public bool IsWaiting => _asked > 0;

    /// <summary>Whether the last pull brought anything.</summary>
    public bool ReceivedSinceAsked { get; private set; }

    /// <summary>Whether it is time to ask for more.</summary>
    public bool IsLow
        => _asked + _unread <= options.MaxMessages / 2
        || (_maxBytes > 0 && _askedBytes + _unreadBytes <= _maxBytes / 2 && _asked + _unread < options.MaxMessages);

    /// <summary>How much to ask for; bytes are zero where they are not bounded.</summary>
    public (long Messages, long Bytes) Missing
        => (options.MaxMessages - _asked - _unread, _maxBytes > 0 ? Math.Max(_maxBytes - _askedBytes - _unreadBytes, 1) : 0);

    public void Asked(long messages, long bytes)
    {
        _asked += messages;
        ReceivedSinceAsked = false;
        _askedBytes += bytes;
    }

    public void Received(int bytes)
    {
        // More than was asked for can come when an old pull outlived its connection.
        _asked = Math.Max(0, _asked - 1);
        _askedBytes = Math.Max(0, _askedBytes - bytes);
        _unread++;
        ReceivedSinceAsked = true;
        _unreadBytes += bytes;
    }

    public void Read(int bytes)
    {
        _unread--;
        _unreadBytes -= bytes;
    }

    /// <summary>A pull ended with that much of it undelivered.</summary>
    public void Ended(long messages, long bytes)
    {
        _asked = Math.Max(0, _asked - messages);
        _askedBytes = _asked == 0 ? 0 : Math.Max(0, _askedBytes - bytes);
    }

    /// <summary>No pull is open any more.</summary>
    public void Void() => (_asked, _askedBytes) = (0, 0);
}
