using Watchword.Server.Store;

namespace Watchword.Server.Http;

/// <summary>What a request says of its sender, in the form in which it is stored and published.</summary>
internal static class RequestFacts
{
    private const int MaxUserAgent = 512;
    private const int MaxCorrelationId = 128;
    private const string CorrelationHeader = "X-Correlation-Id";

    /// <summary>The client's address; IPv4 in its own notation also on a dual-stack socket. Null behind a pipe.</summary>
    public static string? ClientIp(this HttpContext context) => context.Connection.RemoteIpAddress switch
    {
        null => null,
        { IsIPv4MappedToIPv6: true } mapped => mapped.MapToIPv4().ToString(),
        var address => address.ToString(),
    };

    /// <summary>Cut to 512 characters; null when the client names none.</summary>
    public static string? UserAgent(this HttpContext context)
    {
        var text = context.Request.Headers.UserAgent.ToString();
        return text.Length switch { 0 => null, > MaxUserAgent => text[..MaxUserAgent], _ => text };
    }

    /// <summary>The request's correlation id, its own or a new one; answered in <c>X-Correlation-Id</c>.</summary>
    public static ChangeContext Change(this HttpContext context, string? actor = null)
    {
        var id = context.Request.Headers[CorrelationHeader].ToString();
        if (id.Length is 0 or > MaxCorrelationId || id.Any(c => c is < '!' or > '~'))
            id = Guid.CreateVersion7().ToString();
        context.Response.Headers[CorrelationHeader] = id;
        return new(id, actor);
    }

    /// <summary>Names the version of the write in the answer, for those who want to wait until others have it.</summary>
    public static void SetVersion(this HttpContext context, long version) =>
        context.Response.Headers["Watchword-Version"] = version.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
