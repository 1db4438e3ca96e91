using System.Net;
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
        kestrel.Limits.MaxRequestBodySize = RequestBody.MaxBytes;
        if (options.Host == "localhost")
            kestrel.ListenLocalhost(options.Port);
        else if (options.Host is "*" or "0.0.0.0")
            kestrel.ListenAnyIP(options.Port);
        else
            kestrel.Listen(IPAddress.Parse(options.Host), options.Port);
    });
}

/// <summary>A proxy on this machine names the client in X-Forwarded-For; nobody else is believed.</summary>
internal static class ProxyHeaders
{
    public static ForwardedHeadersOptions Options { get; } = new() { ForwardedHeaders = ForwardedHeaders.XForwardedFor | ForwardedHeaders.XForwardedProto };
}
