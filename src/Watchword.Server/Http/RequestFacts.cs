using Watchword.Server.Store;

namespace Watchword.Server.Http;

/// <summary>What a request says about its sender, in the form that is stored and published.</summary>
internal static class RequestFacts
{
    private const int MaxUserAgent = 512;
    private const int MaxCorrelationId = 128;
    private const int MaxOrigin = 64;
    private const string OriginHeader = "Watchword-Origin";
    private const string CorrelationHeader = "X-Correlation-Id";

    // IPv4 addresses in their own notation, also on a dual-stack socket. Null for a connection that is not TCP.
    private static string? ClientIp(this HttpContext context) => context.Connection.RemoteIpAddress switch
    {
        null => null,
        { IsIPv4MappedToIPv6: true } mapped => mapped.MapToIPv4().ToString(),
        var address => address.ToString(),
    };

    // Cut to 512 characters; null when the client sends none.
    private static string? UserAgent(this HttpContext context)
    {
        var text = context.Request.Headers.UserAgent.ToString();
        if (text.Length <= MaxUserAgent)
            return text.Length > 0 ? text : null;
        // Never cut between the halves of a surrogate pair: neither PostgreSQL nor JSON takes one half.
        return text[..(char.IsHighSurrogate(text[MaxUserAgent - 1]) ? MaxUserAgent - 1 : MaxUserAgent)];
    }

    // The service that causes the change, by the name that it gives itself. Anything but a plain name is ignored.
    private static string? Origin(this HttpContext context)
    {
        var origin = context.Request.Headers[OriginHeader].ToString();
        return origin.Length is > 0 and <= MaxOrigin && origin.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-') ? origin : null;
    }

    /// <summary>Who makes the changes of this request, from where, and under which correlation id.</summary>
    /// <param name="context">The request.</param>
    /// <param name="actor">The user who acts; null before anyone has signed in.</param>
    public static ChangeContext Change(this HttpContext context, string? actor = null) =>
        new(context.CorrelationId(), actor, context.Origin(), context.ClientIp(), context.UserAgent());

    /// <summary>Answers the correlation id in the header <c>X-Correlation-Id</c>.</summary>
    public static void AnswerCorrelationId(this HttpContext context) => context.Response.Headers[CorrelationHeader] = context.CorrelationId();

    // The client's own id if a message header can carry it; otherwise a new one, kept for the whole request.
    private static string CorrelationId(this HttpContext context)
    {
        if (context.Items[CorrelationHeader] is string known)
            return known;
        var id = context.Request.Headers[CorrelationHeader].ToString();
        if (id.Length is 0 or > MaxCorrelationId || id.Any(c => c is < '!' or > '~'))
            id = Guid.CreateVersion7().ToString();
        context.Items[CorrelationHeader] = id;
        return id;
    }

    /// <summary>Answers the version of the write, which a client can wait for in other services.</summary>
    public static void SetVersion(this HttpContext context, long version) =>
        context.Response.Headers["Watchword-Version"] = version.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
