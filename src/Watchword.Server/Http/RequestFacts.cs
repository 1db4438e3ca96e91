using Watchword.Server.Store;

namespace Watchword.Server.Http;

/// <summary>What a request says of its sender, in the form in which it is stored and published.</summary>
internal static class RequestFacts
{
    private const int MaxUserAgent = 512;
    private const int MaxCorrelationId = 128;
    private const int MaxOrigin = 64;
    private const string OriginHeader = "Watchword-Origin";
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
        if (text.Length <= MaxUserAgent)
            return text.Length > 0 ? text : null;
        // Half of a surrogate pair can be neither stored nor published.
        return text[..(char.IsHighSurrogate(text[MaxUserAgent - 1]) ? MaxUserAgent - 1 : MaxUserAgent)];
    }

    // The service that causes the change, as it calls itself; anything but a plain name is ignored.
    private static string? Origin(this HttpContext context)
    {
        var origin = context.Request.Headers[OriginHeader].ToString();
        return origin.Length is > 0 and <= MaxOrigin && origin.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-') ? origin : null;
    }

    /// <summary>Who changes something in this request, and under which correlation id.</summary>
    public static ChangeContext Change(this HttpContext context, string? actor = null) =>
        new(context.CorrelationId(), actor, context.Origin(), context.ClientIp(), context.UserAgent());

    /// <summary>Answers the correlation id in <c>X-Correlation-Id</c>.</summary>
    public static void AnswerCorrelationId(this HttpContext context) => context.Response.Headers[CorrelationHeader] = context.CorrelationId();

    // The client's own, where it can stand in the header of a message; else a new one, the same for the whole request.
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

    /// <summary>Names the version of the write in the answer, for those who want to wait until others have it.</summary>
    public static void SetVersion(this HttpContext context, long version) =>
        context.Response.Headers["Watchword-Version"] = version.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
