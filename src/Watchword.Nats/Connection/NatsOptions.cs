using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace Watchword.Nats;

/// <summary>How to reach NATS, and the bounds to keep. Immutable; the defaults suit a service in production.</summary>
public sealed record NatsOptions
{
    /// <summary>One server or several, separated by commas: <c>nats://[user:password@|token@]host[:4222]</c>, or <c>tls://</c> where TLS is demanded.</summary>
    public string Url { get; init; } = "nats://127.0.0.1:4222";

    /// <summary>The name under which this client appears in the server's monitoring.</summary>
    public string Name { get; init; } = "watchword";

    /// <summary>User name. What a URL says wins, here and for all other credentials.</summary>
    public string? User { get; init; }

    /// <summary>Password of <see cref="User"/>.</summary>
    public string? Password { get; init; }

    /// <summary>Token, where the server asks for one instead of a user.</summary>
    public string? Token { get; init; }

    /// <summary>A <c>.creds</c> file with a user JWT and its seed; read anew at each connection.</summary>
    public string? CredentialsFile { get; init; }

    /// <summary>The seed of a user nkey ("SU…"), where the server's configuration lists its public key.</summary>
    public string? NKeySeed { get; init; }

    /// <summary>Where credentials come from if they change while we run: asked at each connection.</summary>
    public Func<CancellationToken, ValueTask<NatsCredentials>>? CredentialsProvider { get; init; }

    /// <summary>
    /// Goes on after the servers refused our credentials twice in a row. Default: no; the
    /// connection then closes for good, since a server may lock out who keeps trying. A service whose credentials can
    /// be mended from outside may prefer to go on.
    /// </summary>
    public bool RetryRefusedCredentials { get; init; }

    /// <summary>
    /// What answers and deliveries are sent to begins with it. Default <c>_INBOX</c>; <c>_INBOX</c> and more
    /// (<c>_INBOX.mailer</c>) where the server lets each client subscribe to inboxes of its own only, so that none reads
    /// another's.
    /// </summary>
    public string InboxPrefix { get; init; } = Inbox.DefaultPrefix;

    /// <summary>How the connection is secured.</summary>
    public NatsTlsOptions Tls { get; init; } = new();

    /// <summary>For one server: from the first packet to the end of the handshake. Default 2 s.</summary>
    public TimeSpan ConnectTimeout { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>For the answer to a request that names no time of its own. Default 5 s.</summary>
    public TimeSpan RequestTimeout { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How often a silent server is asked whether it lives. Default 2 minutes.</summary>
    public TimeSpan PingInterval { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>How many such questions may be unanswered before the connection is given up. Default 2.</summary>
    public int MaxPingsOut { get; init; } = 2;

    /// <summary>The wait after the first failed attempt to reconnect; it doubles up to <see cref="ReconnectDelayMax"/>, with jitter. Default 50 ms.</summary>
    public TimeSpan ReconnectDelayMin { get; init; } = TimeSpan.FromMilliseconds(50);

    /// <summary>
    /// The longest wait between two attempts, and so about how soon a server that is back is found again. Default
    /// 200 ms; where thousands of clients share a server, a second or two spares it their knocking.
    /// </summary>
    public TimeSpan ReconnectDelayMax { get; init; } = TimeSpan.FromMilliseconds(200);

    /// <summary>How long <see cref="NatsConnection.DrainAsync"/> waits for handlers and acks. Default 30 s.</summary>
    public TimeSpan DrainTimeout { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>How many messages a subscription holds for a slow reader before it drops new ones. Default 65,536.</summary>
    public int SubscriptionCapacity { get; init; } = 65_536;

    /// <summary>How many bytes may wait to be sent before publishers wait; memory use is up to twice that. Default 1 MiB.</summary>
    public int WriteBufferBytes { get; init; } = 1024 * 1024;

    /// <summary>The largest message accepted from a server, headers and payload, in bytes. Default 64 MiB, the largest that nats-server can be set to.</summary>
    public int MaxInboundPayload { get; init; } = 64 * 1024 * 1024;

    /// <summary>Where log messages go. Default: nowhere.</summary>
    public ILoggerFactory LoggerFactory { get; init; } = NullLoggerFactory.Instance;

    /// <summary>Everything wrong with these options, in words that name the remedy; empty when they are fine.</summary>
    public IReadOnlyList<string> Validate()
    {
        var errors = new OptionErrors();
        errors.AddIfRefused(() => ServerAddress.ParseAll(Url));
        if (NKeySeed is { } seed)
            errors.AddIfRefused(() => NKey.FromSeed(seed));
        if (new object?[] { User, Token, CredentialsFile, NKeySeed, CredentialsProvider }.Count(c => c is not null) > 1)
            errors.Add($"Give one kind of credentials: {nameof(User)} and {nameof(Password)}, {nameof(Token)}, {nameof(CredentialsFile)}, {nameof(NKeySeed)} or {nameof(CredentialsProvider)}.");
        if (!Inbox.IsPrefix(InboxPrefix))
            errors.Add($"{nameof(InboxPrefix)} must be {Inbox.DefaultPrefix}, or that with letters, digits, - and _ behind it, in tokens parted by dots; it is '{InboxPrefix}'.");
        if (Tls is { KeyFile: not null, CertificateFile: null })
            errors.Add($"{nameof(NatsTlsOptions.KeyFile)} needs {nameof(NatsTlsOptions.CertificateFile)}.");
        var (shortest, longest) = (TimeSpan.FromMilliseconds(1), TimeSpan.FromDays(1));
        errors.Between(ConnectTimeout, shortest, longest, nameof(ConnectTimeout));
        errors.Between(RequestTimeout, shortest, longest, nameof(RequestTimeout));
        errors.Between(PingInterval, shortest, longest, nameof(PingInterval));
        errors.Between(ReconnectDelayMin, shortest, longest, nameof(ReconnectDelayMin));
        errors.Between(ReconnectDelayMax, ReconnectDelayMin, longest, nameof(ReconnectDelayMax));
        errors.Between(DrainTimeout, shortest, longest, nameof(DrainTimeout));
        errors.Between(MaxPingsOut, 1, int.MaxValue, nameof(MaxPingsOut));
        errors.Between(SubscriptionCapacity, 1, int.MaxValue, nameof(SubscriptionCapacity));
        errors.Between(WriteBufferBytes, 1024, 1024 * 1024 * 1024, nameof(WriteBufferBytes));
        errors.Between(MaxInboundPayload, 1024, 1024 * 1024 * 1024, nameof(MaxInboundPayload));
        return errors.All;
    }

    /// <summary>Name and servers; never a password or token, since options end up in logs.</summary>
    public override string ToString()
    {
        try
        {
            return $"{Name} at {string.Join(", ", ServerAddress.ParseAll(Url))}";
        }
        catch (FormatException)
        {
            return Name;
        }
    }
}
