using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Watchword.Server.Configuration;
using Watchword.Server.Http;

namespace Watchword.Server.Hosting;

/// <summary>The address that Kestrel listens on, and how large a request may be.</summary>
internal static class Listening
{
    public static void ListenOn(this WebApplicationBuilder builder, ServerOptions options) => builder.WebHost.ConfigureKestrel(kestrel =>
    {
        kestrel.AddServerHeader = false;
        kestrel.Limits.MaxRequestBodySize = JsonBody.MaxBytes;
        if (options.Host == "localhost")
            kestrel.ListenLocalhost(options.Port);
        else if (options.Host is "*" or "0.0.0.0")
            kestrel.ListenAnyIP(options.Port);
        else
            kestrel.Listen(IPAddress.Parse(options.Host), options.Port);
    });

    /// <summary>Checks the address before the engines are started.</summary>
    /// <exception cref="StartException">The address is taken, or not one of this machine.</exception>
    public static ServerOptions WithFreePort(this ServerOptions options)
    {
        try
        {
            using var probe = new TcpListener(options.Host switch
            {
                "localhost" => IPAddress.Loopback,
                "*" => IPAddress.Any,
                var address => IPAddress.Parse(address),
            }, options.Port);
            probe.Start();
            return options;
        }
        catch (SocketException e)
        {
            throw e.SocketErrorCode switch
            {
                SocketError.AddressAlreadyInUse => Taken(options, e),
                SocketError.AccessDenied => new StartException($"port {options.Port} needs privileges: choose one above 1023 with --port or PORT", e),
                _ => new StartException($"cannot listen on {options.Host}:{options.Port}: {e.Message}", e),
            };
        }
    }

    /// <summary>Serves until stopped.</summary>
    /// <exception cref="StartException">The address is taken.</exception>
    public static async Task ServeAsync(this WebApplication app, ServerOptions options, CancellationToken stop)
    {
        try
        {
            await app.RunAsync(stop);
        }
        catch (IOException e) when (e.InnerException is AddressInUseException or SocketException)
        {
            throw Taken(options, e);
        }
    }

    private static StartException Taken(ServerOptions options, Exception e) =>
        new($"{options.Host}:{options.Port} is taken by another program: stop it, or choose another port with --port or PORT", e);
}
