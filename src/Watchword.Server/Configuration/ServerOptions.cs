using Watchword.Events.Enrichment;
using Watchword.Events.JetStream;
using Watchword.Server.Passwords;

namespace Watchword.Server.Configuration;

/// <summary>What a process does. Several processes of one binary share the work.</summary>
[Flags]
internal enum Roles
{
    None = 0,

    /// <summary>Answers HTTP requests.</summary>
    Api = 1,

    /// <summary>Carries the outbox to JetStream; one process at a time holds the lease.</summary>
    Relay = 2,

    /// <summary>Keeps the target's users table in step.</summary>
    Sync = 4,

    All = Api | Relay | Sync,
}

/// <summary>Everything an operator can set, validated. Read by <see cref="OptionsReader"/>.</summary>
internal sealed record ServerOptions
{
    /// <summary>Address to listen on; loopback unless WATCHWORD_HOST says otherwise.</summary>
    public string Host { get; init; } = "localhost";

    /// <summary>1 to 65535.</summary>
    public int Port { get; init; } = 3001;

    public Roles Roles { get; init; } = Roles.All;

    /// <summary>Absolute path of the folder of the local engines and the generated secret.</summary>
    public required string DataFolder { get; init; }

    /// <summary>Npgsql connection string of the identity store; null: the local engine's.</summary>
    public string? Database { get; init; }

    /// <summary>Npgsql connection string of the target of user sync; null: the local engine's, else none.</summary>
    public string? TargetDatabase { get; init; }

    /// <summary>One or several nats:// or tls:// URLs; null: a private nats-server's.</summary>
    public string? NatsUrl { get; init; }

    /// <summary>How to connect to NATS. The URL of a private nats-server is known once it runs.</summary>
    public NatsSettings Nats { get; init; } = new();

    /// <summary>The port asked for with NATS_PORT; null: 4222, or the next that is free.</summary>
    public int? NatsPort { get; init; }

    /// <summary>The server's public origin, which is also the issuer and audience of its tokens.</summary>
    public required Uri Url { get; init; }

    /// <summary>At least 32 characters; null: generated, and kept in the data folder.</summary>
    public string? Secret { get; init; }

    /// <summary>The service name in the metadata of auth events.</summary>
    public string Service { get; init; } = "auth-service";

    /// <summary>The environment in the metadata of auth events.</summary>
    public string Environment { get; init; } = "production";

    public TimeSpan AccessTokenLifetime { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>How long a session lives without a refresh.</summary>
    public TimeSpan SessionLifetime { get; init; } = TimeSpan.FromDays(7);

    public PasswordOptions Passwords { get; init; } = new();

    /// <summary>Which part of the users has its events published.</summary>
    public EventSampling Sampling { get; init; } = EventSampling.None;

    /// <summary>What auth events get on their way.</summary>
    public EnrichmentOptions Enrichment { get; init; } = new();

    /// <summary>The program of the sample subscribers, where they are to run beside the server; null: they are not.</summary>
    public string? Samples { get; init; }

    public bool NeedsLocalEngines => Database is null || NatsUrl is null;
}
