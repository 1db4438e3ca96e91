using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;

namespace Watchword.Tests;

/// <summary>A TLS proxy before a plain nats-server: clients speak TLS from the first byte, as with handshake_first, which nats-server has from 2.10.4 on.</summary>
internal sealed class TlsFront : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly X509Certificate2 _certificate;
    private readonly int _target;

    public TlsFront((string Certificate, string Key) files, int target)
    {
        _certificate = X509Certificate2.CreateFromPemFile(files.Certificate, files.Key);
        _target = target;
        _listener.Start();
        _ = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    public ValueTask DisposeAsync()
    {
        _listener.Dispose();
        _certificate.Dispose();
        return default;
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
                _ = CarryAsync(await _listener.AcceptTcpClientAsync());
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Disposed.
        }
    }

    private async Task CarryAsync(TcpClient near)
    {
        try
        {
            using var far = new TcpClient();
            await far.ConnectAsync(IPAddress.Loopback, _target);
            await using var tls = new SslStream(near.GetStream());
            await tls.AuthenticateAsServerAsync(_certificate);
            await Task.WhenAny(tls.CopyToAsync(far.GetStream()), far.GetStream().CopyToAsync(tls));
        }
        catch (Exception e) when (e is IOException or SocketException or System.Security.Authentication.AuthenticationException)
        {
            // One side left, or the client does not trust us.
        }

        near.Dispose();
    }
}
