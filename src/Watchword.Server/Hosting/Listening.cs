using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.HttpOverrides;
using Watchword.Server.Configuration;
using Watchword.Server.Http;

namespace Watchword.Server.Hosting;

/// <summary>Where Kestrel listens, and how much it reads.</summary>
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

    /// <summary>Tells of a busy port before anything is started for nothing.</summary>
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
                SocketError.AccessDenied => new StartException($"port {options.Port} is for privileged users: choose one above 1023 with --port or PORT", e),
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

/// <summary>A proxy on this machine names the client in X-Forwarded-For; nobody else is believed.</summary>
internal static class ProxyHeaders
{
    public static ForwardedHeadersOptions Options { get; } = new() { ForwardedHeaders = ForwardedHeaders.XForwardedFor | ForwardedHeaders.XForwardedProto };
}
