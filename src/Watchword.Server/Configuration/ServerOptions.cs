using Watchword.Events.Enrichment;
using Watchword.Events.JetStream;
using Watchword.Server.Passwords;

namespace Watchword.Server.Configuration;

/// <summary>The work that a process does. Several processes can share it.</summary>
[Flags]
internal enum Roles
{
    None = 0,

    /// <summary>Answers HTTP requests.</summary>
    Api = 1,

    /// <summary>Carries the outbox to JetStream; one process at a time holds the lease.</summary>
    Relay = 2,

    /// <summary>Keeps the target's users table in sync.</summary>
    Sync = 4,

    All = Api | Relay | Sync,
}

/// <summary>The validated settings. <see cref="OptionsReader"/> reads them.</summary>
internal sealed record ServerOptions
{
    /// <summary>The address to listen on; loopback by default.</summary>
    public string Host { get; init; } = "localhost";

    /// <summary>1 to 65535.</summary>
    public int Port { get; init; } = 3001;

    public Roles Roles { get; init; } = Roles.All;

    /// <summary>Absolute path of the folder for the private engines and the generated secret.</summary>
    public required string DataFolder { get; init; }

    /// <summary>Npgsql connection string of the identity store; null: the private PostgreSQL's.</summary>
    public string? Database { get; init; }

    /// <summary>Npgsql connection string of the target of user sync; null: the private PostgreSQL's, if there is one, otherwise none.</summary>
    public string? TargetDatabase { get; init; }

    /// <summary>The schema of the identity tables.</summary>
    public string DatabaseSchema { get; init; } = "public";

    /// <summary>The schema of the target's users table.</summary>
    public string TargetDatabaseSchema { get; init; } = "public";

    /// <summary>One or several nats:// or tls:// URLs; null: a private nats-server's.</summary>
    public string? NatsUrl { get; init; }

    /// <summary>How to connect to NATS. The URL of a private nats-server is known once it runs.</summary>
    public NatsSettings Nats { get; init; } = new();

    /// <summary>The port of the private nats-server; null: 4222, or the next free one.</summary>
    public int? NatsPort { get; init; }

    /// <summary>The server's public origin, and the issuer and audience of its tokens.</summary>
    public required Uri Url { get; init; }

    /// <summary>Signs tokens, at least 32 characters; null: generated and kept in the data folder.</summary>
    public string? Secret { get; init; }

    /// <summary>The service name in the metadata of auth events.</summary>
    public string Service { get; init; } = "auth-service";

    /// <summary>The environment in the metadata of auth events.</summary>
    public string Environment { get; init; } = "production";

    public TimeSpan AccessTokenLifetime { get; init; } = TimeSpan.FromMinutes(15);

    /// <summary>After this time without a refresh, a session ends.</summary>
    public TimeSpan SessionLifetime { get; init; } = TimeSpan.FromDays(7);

    /// <summary>When failed logins lock an address.</summary>
    public LockoutOptions Lockout { get; init; } = new();

    public PasswordOptions Passwords { get; init; } = new();

    /// <summary>The share of users whose events are published.</summary>
    public EventSampling Sampling { get; init; } = EventSampling.None;

    /// <summary>What is added to auth events when they are published.</summary>
    public EnrichmentOptions Enrichment { get; init; } = new();

    /// <summary>The program of the sample subscribers, to run it beside the server; null: it does not run.</summary>
    public string? Samples { get; init; }

    public bool NeedsLocalEngines => Database is null || NatsUrl is null;
}
