using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Watchword.Server.Local;

/// <summary>Finds free TCP ports on 127.0.0.1.</summary>
internal static class Ports
{
    // Below the range for outgoing connections, one of which could take our port while the engine is down.
    private const int First = 20000;
    private const int Last = 32000;
    private const int Attempts = 1000;

    public static bool IsFree(int port)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            // As the engines do: connections of an earlier run in TIME_WAIT are no obstacle.
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.ReuseAddress, true);
            socket.Bind(new IPEndPoint(IPAddress.Loopback, port));
            socket.Listen(1);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    /// <summary>A random free port.</summary>
    public static int Any()
    {
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var port = RandomNumberGenerator.GetInt32(First, Last);
            if (IsFree(port))
                return port;
        }

        throw new LocalEngineException($"Found no free TCP port between {First} and {Last} on 127.0.0.1.");
    }

    /// <summary>The first free port from this one upwards.</summary>
    public static int From(int port)
    {
        for (var next = port; next < Math.Min(port + Attempts, IPEndPoint.MaxPort); next++)
            if (IsFree(next))
                return next;
        throw new LocalEngineException($"Found no free TCP port on 127.0.0.1 from {port} upwards.");
    }
}
