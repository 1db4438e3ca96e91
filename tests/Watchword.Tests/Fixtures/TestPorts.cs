using System.Net;
using System.Net.Sockets;

namespace Watchword.Tests;

internal static class TestPorts
{
    /// <summary>A port of the loopback that was free a moment ago.</summary>
    public static int Free()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
