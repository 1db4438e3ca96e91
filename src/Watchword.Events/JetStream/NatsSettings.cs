using System.Text;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging;
using NATS.Client.Core;

namespace Watchword.Events.JetStream;

/// <summary>How to reach NATS: what the settings <c>NATS_URL</c>, <c>NATS_CREDS</c>, <c>NATS_CA</c>, <c>NATS_CERT</c>, <c>NATS_KEY</c> and <c>NATS_INBOX_PREFIX</c> say.</summary>
public sealed record NatsSettings
{
    private const string DefaultInboxPrefix = "_INBOX";

    /// <summary>One server or several, separated by commas: <c>nats://[user:password@|token@]host[:4222]</c>, or <c>tls://</c> where TLS is required.</summary>
    public string Url { get; init; } = "nats://127.0.0.1:4222";

    /// <summary>The connection's name in the server's monitoring.</summary>
    public string Name { get; init; } = "watchword";

    /// <summary>A <c>.creds</c> file with a user JWT and its seed. Read again at each connection.</summary>
    public string? CredentialsFile { get; init; }

    /// <summary>Certificate authorities to trust, as PEM; null: those of the system. Read again at each connection.</summary>
    public string? CaFile { get; init; }

    /// <summary>The client's certificate, as PEM. Read again at each connection.</summary>
    public string? CertificateFile { get; init; }

    /// <summary>The private key of <see cref="CertificateFile"/>, as PEM.</summary>
    public string? KeyFile { get; init; }

    /// <summary>Prefix of reply inboxes: <c>_INBOX</c>, or <c>_INBOX.mailer</c> where the server gives each client its own.</summary>
    public string InboxPrefix { get; init; } = DefaultInboxPrefix;

    /// <summary>Reads the <c>NATS_*</c> settings. An empty one counts as not set.</summary>
    /// <param name="configuration">The environment, a file, a command line.</param>
    /// <param name="url">The default for <c>NATS_URL</c>.</param>
    /// <returns>Null when <c>NATS_URL</c> is not set and has no default.</returns>
    public static NatsSettings? Read(IConfiguration configuration, string? url = null)
    {
        ArgumentNullException.ThrowIfNull(configuration);
        return (Text("NATS_URL") ?? url) is not { } servers ? null : new()
        {
            Url = servers,
            CredentialsFile = Text("NATS_CREDS"),
            CaFile = Text("NATS_CA"),
            CertificateFile = Text("NATS_CERT"),
            KeyFile = Text("NATS_KEY"),
            InboxPrefix = Text("NATS_INBOX_PREFIX") ?? DefaultInboxPrefix,
        };

        string? Text(string key) => configuration[key] is { } text && !string.IsNullOrWhiteSpace(text) ? text.Trim() : null;
    }

    /// <summary>Everything that is wrong, each fault under the name of the setting that mends it; empty when nothing is.</summary>
    public IReadOnlyList<string> Faults()
    {
        List<string> faults = [];
        foreach (var server in Url.Split(',').Distinct(StringComparer.Ordinal))
            if (!Uri.TryCreate(server.Contains("://", StringComparison.Ordinal) ? server.Trim() : "nats://" + server.Trim(), UriKind.Absolute, out var uri)
                || uri.Host.Length == 0 || uri.Scheme is not ("nats" or "tls" or "ws" or "wss"))
                faults.Add($"NATS_URL: '{WithoutPassword(server)}' is not the address of a NATS server: expected nats://user:password@host:4222, or tls:// in place of nats://");
        foreach (var (setting, file) in new[] { ("NATS_CREDS", CredentialsFile), ("NATS_CA", CaFile), ("NATS_CERT", CertificateFile), ("NATS_KEY", KeyFile) })
            if (file is not null && !File.Exists(file))
                faults.Add($"{setting} is '{file}': there is no such file");
        if (KeyFile is not null && CertificateFile is null)
            faults.Add("NATS_KEY is set without NATS_CERT, the certificate that it belongs to");
        if (CertificateFile is not null && KeyFile is null)
            faults.Add("NATS_CERT is set without NATS_KEY, its private key");
        if (InboxPrefix != DefaultInboxPrefix && !(InboxPrefix.StartsWith(DefaultInboxPrefix + ".", StringComparison.Ordinal)
            && InboxPrefix[(DefaultInboxPrefix.Length + 1)..].Split('.').All(t => t.Length > 0 && t.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_'))))
            faults.Add($"NATS_INBOX_PREFIX is '{InboxPrefix}': expected {DefaultInboxPrefix}, or {DefaultInboxPrefix}.name; name has letters, digits, -, _ and dots");
        return faults;
    }

    /// <summary>
    /// The options of a connection that retries for ever: it waits for a server that is not there yet, and tries again
    /// after its credentials were refused, since an operator may mend them without a restart.
    /// </summary>
    public NatsOpts ToOpts(ILoggerFactory? logs = null) => new()
    {
        Url = string.Join(',', Url.Split(',', StringSplitOptions.TrimEntries)),
        Name = Name,
        LoggerFactory = new ConnectionLog(logs),
        InboxPrefix = InboxPrefix,
        AuthOpts = CredentialsFile is { } file ? new() { AuthCredCallback = (_, _) => ValueTask.FromResult(NatsAuthCred.FromCredsFile(file)) } : NatsAuthOpts.Default,
        TlsOpts = new() { CaFile = CaFile, CertFile = CertificateFile, KeyFile = KeyFile },
        RetryOnInitialConnect = true,
        IgnoreAuthErrorAbort = true,
        ReconnectWaitMin = TimeSpan.FromMilliseconds(50),
        ReconnectWaitMax = TimeSpan.FromMilliseconds(200),
        // The default is ASCII; users' ids and reasons of dead letters can hold any character.
        HeaderEncoding = Encoding.UTF8,
        SubPendingChannelCapacity = 65_536,
        // By default the socket is closed before acks that wait to be written.
        DrainSubscriptionsOnDispose = true,
    };

    /// <summary>Name and servers, without passwords: settings end up in logs.</summary>
    public override string ToString() => $"{Name} at {string.Join(',', Url.Split(',').Select(WithoutPassword))}";

    private static string WithoutPassword(string server) => server.LastIndexOf('@') is > 0 and var at ? "•••" + server[at..] : server;
}
