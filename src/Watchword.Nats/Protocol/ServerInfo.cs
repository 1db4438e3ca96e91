using System.Text.Json.Serialization;

namespace Watchword.Nats;

/// <summary>What a server says of itself in INFO, at connect and whenever its cluster changes.</summary>
public sealed record ServerInfo
{
    /// <summary>The server's unique id.</summary>
    public string ServerId { get; init => field = value ?? ""; } = "";

    /// <summary>The server's configured name.</summary>
    public string ServerName { get; init => field = value ?? ""; } = "";

    /// <summary>The server's version, such as 2.9.10.</summary>
    public string Version { get; init => field = value ?? ""; } = "";

    /// <summary>The name of its cluster; null when it stands alone.</summary>
    public string? Cluster { get; init; }

    /// <summary>The largest message it takes, headers and payload together, in bytes.</summary>
    public long MaxPayload { get; init; }

    /// <summary>Whether it understands message headers.</summary>
    public bool Headers { get; init; }

    /// <summary>Whether JetStream is enabled on it.</summary>
    [JsonPropertyName("jetstream")]
    public bool JetStream { get; init; }

    /// <summary>Whether it wants credentials.</summary>
    public bool AuthRequired { get; init; }

    /// <summary>Whether it refuses plain text.</summary>
    public bool TlsRequired { get; init; }

    /// <summary>Whether it takes TLS besides plain text.</summary>
    public bool TlsAvailable { get; init; }

    /// <summary>Whether it wants a certificate of ours.</summary>
    public bool TlsVerify { get; init; }

    /// <summary>The number by which it knows this connection.</summary>
    public ulong ClientId { get; init; }

    /// <summary>What a key-holding client signs; fresh for each connection.</summary>
    public string? Nonce { get; init; }

    /// <summary>The other servers of its cluster, as host:port.</summary>
    public IReadOnlyList<string>? ConnectUrls { get; init; }

    /// <summary>It is about to stop (lame duck mode): clients should move to another server.</summary>
    [JsonPropertyName("ldm")]
    public bool LameDuckMode { get; init; }
}
