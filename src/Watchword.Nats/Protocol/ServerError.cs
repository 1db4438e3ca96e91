namespace Watchword.Nats;

/// <summary>What follows from an error that the server sent.</summary>
internal enum ServerErrorKind
{
    /// <summary>Who we are was refused.</summary>
    Authentication,

    /// <summary>One subscription or publish was refused; the connection lives on.</summary>
    Permission,

    /// <summary>The server gave up on us or is going away: connect again.</summary>
    Reconnect,

    /// <summary>A bound of the server or account is reached; trying again later may help.</summary>
    Limit,

    /// <summary>We said something it did not understand: a defect, here or there.</summary>
    Protocol,

    /// <summary>It wants TLS.</summary>
    Tls,

    /// <summary>A text that this client does not know. The server closes the connection itself if it must.</summary>
    Unknown,
}

/// <summary>The server's errors are texts. This table is the one place that reads them (nats-server, errors.go).</summary>
internal static class ServerError
{
    private const string SubscriptionDenied = "Permissions Violation for Subscription to ";
    private const string PublishDenied = "Permissions Violation for Publish to ";

    // The first that the text starts with, whatever the case.
    private static readonly (string Prefix, ServerErrorKind Kind)[] Table =
    [
        ("Permissions Violation", ServerErrorKind.Permission),
        ("Authorization Violation", ServerErrorKind.Authentication),
        ("User Authentication Expired", ServerErrorKind.Authentication),
        ("User Authentication Revoked", ServerErrorKind.Authentication),
        ("Account Authentication Expired", ServerErrorKind.Authentication),
        ("Authentication Expired", ServerErrorKind.Authentication),
        ("Authentication Revoked", ServerErrorKind.Authentication),
        ("Authentication Timeout", ServerErrorKind.Reconnect),
        ("Authentication Error", ServerErrorKind.Authentication),
        ("Failed Account Registration", ServerErrorKind.Authentication),
        ("Stale Connection", ServerErrorKind.Reconnect),
        ("Slow Consumer", ServerErrorKind.Reconnect),
        ("Server Shutdown", ServerErrorKind.Reconnect),
        ("Connection Throttled", ServerErrorKind.Reconnect),
        ("Connection Closed", ServerErrorKind.Reconnect),
        ("Maximum Connections Exceeded", ServerErrorKind.Limit),
        ("Maximum Account Active Connections Exceeded", ServerErrorKind.Limit),
        ("Maximum Subscriptions Exceeded", ServerErrorKind.Limit),
        ("Maximum Payload", ServerErrorKind.Protocol),
        ("Maximum Control Line Exceeded", ServerErrorKind.Protocol),
        ("Unknown Protocol Operation", ServerErrorKind.Protocol),
        ("Parser Error", ServerErrorKind.Protocol),
        ("Invalid Client Protocol", ServerErrorKind.Protocol),
        ("Invalid Subject", ServerErrorKind.Protocol),
        ("Invalid Publish Subject", ServerErrorKind.Protocol),
        ("Message Headers Not Supported", ServerErrorKind.Protocol),
        ("No Responders Requires Headers Support", ServerErrorKind.Protocol),
        ("Attempted To Connect To", ServerErrorKind.Protocol),
        ("Secure Connection", ServerErrorKind.Tls),
    ];

    public static ServerErrorKind Classify(string text)
    {
        foreach (var (prefix, kind) in Table)
            if (text.StartsWith(prefix, StringComparison.OrdinalIgnoreCase))
                return kind;
        return ServerErrorKind.Unknown;
    }

    /// <summary>Whether the connection cannot go on after it.</summary>
    public static bool IsFatal(ServerErrorKind kind)
        => kind is ServerErrorKind.Authentication or ServerErrorKind.Reconnect or ServerErrorKind.Protocol or ServerErrorKind.Tls;

    /// <summary>Subject and queue group of a refused subscription, when the text is about one.</summary>
    public static (string Subject, string? QueueGroup)? DeniedSubscription(string text)
        => QuotedAfter(SubscriptionDenied, text) is { } quoted ? (quoted[0], quoted.ElementAtOrDefault(1)) : null;

    /// <summary>The subject of a refused publish, when the text is about one.</summary>
    public static string? DeniedPublish(string text) => QuotedAfter(PublishDenied, text)?[0];

    /// <summary>What stands in quotes; all of the rest where nothing does, as older servers have it.</summary>
    private static string[]? QuotedAfter(string prefix, string text)
    {
        if (!text.StartsWith(prefix, StringComparison.OrdinalIgnoreCase))
            return null;
        var parts = text[prefix.Length..].Split('"');
        return parts.Length == 1 ? [parts[0].Trim()] : [.. parts.Where((_, i) => i % 2 == 1)];
    }
}
