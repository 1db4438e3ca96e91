using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace Watchword.Tests;

/// <summary>A way to a server of this machine that a test can cut and mend.</summary>
internal sealed class TcpProxy : IAsyncDisposable
{
    private readonly ConcurrentDictionary<TcpClient, byte> _open = [];
    private readonly int _target;
    private TcpListener _listener;

    public TcpProxy(int target)
    {
        _target = target;
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

    /// <summary>Every connection breaks; new ones are let through.</summary>
    public void Break()
    {
        foreach (var client in _open.Keys)
            client.Dispose();
    }

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
        using var far = new TcpClient();
        _open[near] = _open[far] = 0;
        try
        {
            await far.ConnectAsync(IPAddress.Loopback, _target);
            await Task.WhenAny(near.GetStream().CopyToAsync(far.GetStream()), far.GetStream().CopyToAsync(near.GetStream()));
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
