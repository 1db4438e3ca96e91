namespace Watchword.Nats;

/// <summary>What follows from a status that answers a pull.</summary>
internal enum PullAction
{
    /// <summary>The server lives.</summary>
    Heartbeat,

    /// <summary>The pull came to its ordinary end; its rest is not coming.</summary>
    Expired,

    /// <summary>The next message would exceed the pull's bytes: ordinary, unless it brought nothing at all.</summary>
    BytesSpent,

    /// <summary>All pulls are void; ask anew.</summary>
    PullAgain,

    /// <summary>The server goes away; the reconnect asks anew.</summary>
    AwaitReconnect,

    /// <summary>The pull was refused over a limit: warn, wait a little, ask anew.</summary>
    Refused,

    /// <summary>Nobody serves this consumer just now, or ever again.</summary>
    NoResponders,

    /// <summary>The consumer is gone or cannot be pulled from.</summary>
    End,
}

/// <summary>The one table of the statuses that a server sends to a pulling client (ADR-13, ADR-37).</summary>
internal static class PullStatus
{
    public static PullAction Classify(int code, string text) => code switch
    {
        100 => PullAction.Heartbeat,
        404 or 408 => PullAction.Expired,
        503 => PullAction.NoResponders,
        409 when Has(text, "Consumer Deleted") || Has(text, "push based") => PullAction.End,
        409 when Has(text, "Leadership Change") => PullAction.PullAgain,
        409 when Has(text, "Server Shutdown") => PullAction.AwaitReconnect,
        409 when Has(text, "Exceeds MaxBytes") => PullAction.BytesSpent,
        409 when Has(text, "Batch Completed") => PullAction.Expired,
        400 => PullAction.End,
        _ => PullAction.Refused,
    };

    private static bool Has(string text, string part) => text.Contains(part, StringComparison.OrdinalIgnoreCase);
}
