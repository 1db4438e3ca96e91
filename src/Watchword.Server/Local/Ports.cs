using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Watchword.Server.Local;

/// <summary>TCP ports on loopback.</summary>
internal static class Ports
{
    // Below the range from which systems draw ports for outgoing connections: one of those might sit on ours
    // while the engine is down.
    private const int First = 20000;
    private const int Last = 32000;
    private const int Attempts = 1000;

    public static bool IsFree(int port)
    {
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            // Connections of an earlier run that linger do not stand in the way of the engines, nor of this test.
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

    /// <summary>Any free port.</summary>
    public static int Any()
    {
        for (var attempt = 0; attempt < Attempts; attempt++)
        {
            var port = RandomNumberGenerator.GetInt32(First, Last);
            if (IsFree(port))
                return port;
        }

        throw new LocalEngineException($"No free TCP port between {First} and {Last} on 127.0.0.1 was found.");
    }

    /// <summary>The first free port from this one upwards.</summary>
    public static int From(int port)
    {
        for (var next = port; next < Math.Min(port + Attempts, IPEndPoint.MaxPort); next++)
            if (IsFree(next))
                return next;
        throw new LocalEngineException($"No free TCP port from {port} upwards on 127.0.0.1 was found.");
    }

    public static string DescribeListener(int port) => ProcessTable.ListenerOn(port) ?? "another program";
}
