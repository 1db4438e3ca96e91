using Microsoft.AspNetCore.HttpOverrides;

namespace Watchword.Server.Hosting;

/// <summary>Believes X-Forwarded-For and X-Forwarded-Proto from a proxy on this machine, and from nobody else.</summary>
internal static class ProxyHeaders
{
    public static ForwardedHeadersOptions Options { get; } = new() { ForwardedHeaders = ForwardedHeaders.XForwardedFor | ForwardedHeaders.XForwardedProto };
}
