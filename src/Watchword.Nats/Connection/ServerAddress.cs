namespace Watchword.Nats;

/// <summary>One server to try, with the credentials for it. Its text form holds no secret.</summary>
internal sealed record ServerAddress(string Host, int Port)
{
    public const int DefaultPort = 4222;

    public string? User { get; init; }

    public string? Password { get; init; }

    public string? Token { get; init; }

    /// <exception cref="FormatException">An URL cannot be understood; the message names the remedy.</exception>
    public static IReadOnlyList<ServerAddress> ParseAll(NatsOptions options)
    {
        var urls = (options.Url ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        if (urls.Length == 0)
            throw new FormatException("No NATS server is configured. Give one or more URLs such as nats://127.0.0.1:4222, separated by commas.");
        return [.. urls.Select(url => Parse(url, options))];
    }

    public static ServerAddress Parse(string url, NatsOptions options)
    {
        var text = url.Contains("://", StringComparison.Ordinal) ? url : "nats://" + url;
        if (text.StartsWith("tls://", StringComparison.OrdinalIgnoreCase))
            throw new FormatException("tls:// is not supported yet. Use nats:// inside a trusted network.");
        if (!text.StartsWith("nats://", StringComparison.OrdinalIgnoreCase))
            throw new FormatException($"A NATS URL begins with nats://, not with {text[..text.IndexOf("://", StringComparison.Ordinal)]}://.");

        // The URL may hold a password, so no message repeats it.
        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri) || string.IsNullOrEmpty(uri.Host) || uri.PathAndQuery is not ("" or "/"))
            throw new FormatException("A NATS URL cannot be read. It looks like nats://user:password@host:4222; special characters in a password must be percent-encoded.");

        var address = new ServerAddress(uri.IdnHost.Trim('[', ']'), uri.Port > 0 ? uri.Port : DefaultPort);
        if (uri.UserInfo.Length == 0)
            return address with { User = options.User, Password = options.Password, Token = options.Token };

        var colon = uri.UserInfo.IndexOf(':', StringComparison.Ordinal);
        return colon < 0
            ? address with { Token = Uri.UnescapeDataString(uri.UserInfo) }
            : address with
            {
                User = Uri.UnescapeDataString(uri.UserInfo[..colon]),
                Password = Uri.UnescapeDataString(uri.UserInfo[(colon + 1)..]),
            };
    }

    /// <summary>host:port only: this text is meant for logs.</summary>
    public override string ToString() => Host.Contains(':', StringComparison.Ordinal) ? $"[{Host}]:{Port}" : $"{Host}:{Port}";
}
