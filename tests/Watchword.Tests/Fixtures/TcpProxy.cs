using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Watchword.Tests;

/// <summary>A way to a server of this machine that a test can cut and mend. Its port stays.</summary>
internal sealed class TcpProxy : IAsyncDisposable
{
    private readonly ConcurrentDictionary<TcpClient, byte> _open = [];
    private readonly int _target;
    private readonly Func<Stream, Stream, Task> _carry;
    private TcpListener _listener;
    private volatile TaskCompletionSource? _stalled;

    /// <param name="target">The server's port.</param>
    /// <param name="carry">Carries between client and server until one of them is through; null: the bytes as they are.</param>
    public TcpProxy(int target, Func<Stream, Stream, Task>? carry = null)
    {
        _target = target;
        _carry = carry ?? ((near, far) => Task.WhenAny(CopyAsync(near, far), CopyAsync(far, near)));
        _listener = new(IPAddress.Loopback, 0);
        _listener.Start();
        Port = ((IPEndPoint)_listener.LocalEndpoint).Port;
        _ = AcceptAsync(_listener);
    }

    public int Port { get; }

    /// <summary>Every connection breaks, and new ones are refused.</summary>
    public void Cut()
    {
        _listener.Dispose();
        Break();
    }

    /// <summary>Every connection breaks, with what it held back; new ones are welcome.</summary>
    public void Break()
    {
        _stalled = null;
        foreach (var client in _open.Keys)
            client.Dispose();
    }

    /// <summary>From now on nothing gets through, and nothing breaks: as a server that hangs.</summary>
    public void Stall() => _stalled = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public void Mend()
    {
        _listener = new(IPAddress.Loopback, Port);
        _listener.Start();
        _ = AcceptAsync(_listener);
    }

    public ValueTask DisposeAsync()
    {
        Cut();
        return default;
    }

    private async Task CopyAsync(Stream from, Stream to)
    {
        var buffer = new byte[65_536];
        while (await from.ReadAsync(buffer) is > 0 and var count)
        {
            if (_stalled is { } stalled)
                await stalled.Task;
            await to.WriteAsync(buffer.AsMemory(0, count));
        }
    }

    private async Task AcceptAsync(TcpListener listener)
    {
        try
        {
            while (true)
                _ = CarryAsync(await listener.AcceptTcpClientAsync());
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // Cut.
        }
    }

    private async Task CarryAsync(TcpClient near)
    {
        using var far = new TcpClient { NoDelay = true };
        near.NoDelay = true;
        _open[near] = _open[far] = 0;
        try
        {
            await far.ConnectAsync(IPAddress.Loopback, _target);
            await _carry(near.GetStream(), far.GetStream());
        }
        catch (Exception e) when (e is IOException or SocketException or ObjectDisposedException or InvalidOperationException)
        {
            // Cut, or closed by one side.
        }
        near.Dispose();
        _open.TryRemove(near, out _);
        _open.TryRemove(far, out _);
    }
}
