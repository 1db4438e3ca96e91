namespace Watchword.Nats;

/// <summary>When a connection becomes TLS.</summary>
public enum NatsTlsMode
{
    /// <summary>When the server demands it (as it says in its INFO) or the URL is <c>tls://</c>.</summary>
    Auto,

    /// <summary>Always: a server that offers only plain text is refused.</summary>
    Require,

    /// <summary>Always, from the first byte on: the server greets inside TLS (nats-server 2.10.4 with handshake_first, or a TLS proxy).</summary>
    First,
}

/// <summary>
/// How a connection is secured. Files are PEM and are read anew at each connection, so that a renewed certificate
/// needs no restart. Certificates are always checked: there is no switch to turn that off.
/// </summary>
public sealed record NatsTlsOptions
{
    /// <summary>When to use TLS. Default: when server or URL ask for it.</summary>
    public NatsTlsMode Mode { get; init; }

    /// <summary>The certificate authorities to trust instead of the system's. Default: the system's.</summary>
    public string? CaFile { get; init; }

    /// <summary>Our own certificate, where the server wants one (verify, verify_and_map).</summary>
    public string? CertificateFile { get; init; }

    /// <summary>The private key of <see cref="CertificateFile"/>. Default: it is in the same file.</summary>
    public string? KeyFile { get; init; }

    /// <summary>The password of an encrypted private key.</summary>
    public string? KeyPassword { get; init; }

    /// <summary>
    /// The name that the server's certificate must be for. Default: the host of the URL; for a server that the cluster
    /// told us of by its IP address, the host of the URL by which we found the cluster.
    /// </summary>
    public string? ServerName { get; init; }

    /// <summary>Mode and file names; never the password.</summary>
    public override string ToString() => $"{Mode}, ca {CaFile ?? "system"}, certificate {CertificateFile ?? "none"}";
}
