namespace Watchword.Nats;

/// <summary>One server to try, and what its URL says of how. Its text form holds no secret.</summary>
internal sealed record ServerAddress(string Host, int Port)
{
    public const int DefaultPort = 4222;

    /// <summary>Who to be there, where the URL says so; null: who the options say.</summary>
    public NatsCredentials? Credentials { get; init; }

    /// <summary>The URL demands TLS.</summary>
    public bool Tls { get; init; }

    /// <summary>The name that its certificate must be for, where that is not <see cref="Host"/>.</summary>
    public string? TlsName { get; init; }

    /// <exception cref="FormatException">An URL cannot be understood; the message names the remedy.</exception>
    public static IReadOnlyList<ServerAddress> ParseAll(string? commaSeparated)
    {
        var urls = (commaSeparated ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        if (urls.Length == 0)
            throw new FormatException("No NATS server is configured. Give one or more URLs such as nats://127.0.0.1:4222, separated by commas.");
        return [.. urls.Select(Parse)];
    }

    public static ServerAddress Parse(string url)
    {
        var text = url.Contains("://", StringComparison.Ordinal) ? url : "nats://" + url;
        var scheme = text[..text.IndexOf("://", StringComparison.Ordinal)];
        var tls = scheme.Equals("tls", StringComparison.OrdinalIgnoreCase);
        if (!tls && !scheme.Equals("nats", StringComparison.OrdinalIgnoreCase))
            throw new FormatException($"A NATS URL begins with nats:// or tls://, not with {scheme}://.");

        // The URL may hold a password, so no message repeats it.
        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri) || string.IsNullOrEmpty(uri.Host) || uri.PathAndQuery is not ("" or "/"))
            throw new FormatException("A NATS URL cannot be read. It looks like nats://user:password@host:4222; special characters in a password must be percent-encoded.");

        return new ServerAddress(uri.IdnHost.Trim('[', ']'), uri.Port > 0 ? uri.Port : DefaultPort)
        {
            Tls = tls,
            Credentials = uri.UserInfo.Split(':', 2) switch
            {
                [""] => null,
                [var token] => new NatsCredentials { Token = Uri.UnescapeDataString(token) },
                [var user, var password] => new NatsCredentials { User = Uri.UnescapeDataString(user), Password = Uri.UnescapeDataString(password) },
                _ => null,
            },
        };
    }

    /// <summary>host:port only: this text is meant for logs.</summary>
    public override string ToString() => Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]:{Port}" : $"{Host}:{Port}";
}
