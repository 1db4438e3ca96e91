namespace Watchword.Server.Configuration;

/// <summary>A setting: an environment variable, a key in <c>appsettings.json</c>, and an option of the command line.</summary>
/// <param name="Key">The name in the environment and in appsettings.json.</param>
/// <param name="Option">The option of the command line.</param>
/// <param name="Help">One line for <c>--help</c>, with unit and default.</param>
internal sealed record Setting(string Key, string Option, string Help)
{
    public static readonly Setting Port = new("PORT", "--port", "Port to serve HTTP on. Default 3001.");
    // Not HOST: shells and build tools use that for other purposes.
    public static readonly Setting Host = new("WATCHWORD_HOST", "--host", "Address to listen on. Default localhost; 0.0.0.0 for every interface.");
    public static readonly Setting DatabaseUrl = new("DATABASE_URL", "--database-url", "Identity store, postgres://… or Host=…. Default: a private PostgreSQL.");
    public static readonly Setting TargetDatabaseUrl = new("TARGET_DATABASE_URL", "--target-database-url", "Database whose users table is kept in sync. Default: the private one.");
    public static readonly Setting DatabaseSchema = new("DATABASE_SCHEMA", "--database-schema", "Schema of the identity tables in DATABASE_URL. Default public.");
    public static readonly Setting TargetDatabaseSchema = new("TARGET_DATABASE_SCHEMA", "--target-database-schema", "Schema of the users table in TARGET_DATABASE_URL. Default public.");
    public static readonly Setting NatsUrl = new("NATS_URL", "--nats-url", "NATS with JetStream, nats:// or tls://; separate several by commas. Default: a private nats-server.");
    public static readonly Setting NatsCredentials = new("NATS_CREDS", "--nats-creds", "Credentials file (.creds) for NATS: a user JWT and its seed. Read again at each connection.");
    public static readonly Setting NatsCa = new("NATS_CA", "--nats-ca", "Certificate authorities (PEM) to trust for NATS. Default: the system's.");
    public static readonly Setting NatsCertificate = new("NATS_CERT", "--nats-cert", "Client certificate (PEM) for NATS, where it asks for one.");
    public static readonly Setting NatsKey = new("NATS_KEY", "--nats-key", "Private key (PEM) of NATS_CERT.");
    public static readonly Setting NatsInboxPrefix = new("NATS_INBOX_PREFIX", "--nats-inbox-prefix", "Prefix of reply subjects, where NATS allows each user only its own: _INBOX.mailer. Default _INBOX.");
    public static readonly Setting NatsPort = new("NATS_PORT", "--nats-port", "Port of the private nats-server. Default 4222, or the next that is free.");
    public static readonly Setting Data = new("WATCHWORD_DATA", "--data", "Folder for the private engines' data. Default ./data.");
    public static readonly Setting Roles = new("WATCHWORD_ROLES", "--roles", "What this process does: api, relay, sync, separated by commas. Default all.");
    public static readonly Setting Url = new("BETTER_AUTH_URL", "--url", "Public origin, and issuer of tokens. Default http://localhost:PORT.");
    public static readonly Setting Secret = new("BETTER_AUTH_SECRET", "--secret", "Signs tokens, at least 32 characters. Default: generated, kept in the data folder. Prefer the environment: others can read a command line.");
    public static readonly Setting Service = new("WATCHWORD_SERVICE", "--service", "Service name in event metadata. Default auth-service.");
    public static readonly Setting Environment = new("WATCHWORD_ENVIRONMENT", "--environment", "Environment in event metadata. Default production.");
    public static readonly Setting AccessTokenLifetime = new("ACCESS_TOKEN_LIFETIME", "--access-token-lifetime", "1s to 24h. Default 15m.");
    public static readonly Setting SessionLifetime = new("SESSION_LIFETIME", "--session-lifetime", "After this time without a refresh, a session ends; 1m to 365d. Default 7d.");
    public static readonly Setting LoginLockout = new("LOGIN_LOCKOUT", "--login-lockout", "Failed logins of one address from one place until it is locked, and for how long: 10/15m. off: never. Default 10/15m.");
    public static readonly Setting PasswordLogN = new("PASSWORD_LOG_N", "--password-log-n", "Binary logarithm of scrypt's N. Default 14.");
    public static readonly Setting PasswordR = new("PASSWORD_R", "--password-r", "scrypt's r. Default 16.");
    public static readonly Setting PasswordP = new("PASSWORD_P", "--password-p", "scrypt's p. Default 1.");
    public static readonly Setting PasswordThreads = new("PASSWORD_THREADS", "--password-threads", "Threads that hash passwords. Default: all cores but one.");
    public static readonly Setting PasswordQueue = new("PASSWORD_QUEUE", "--password-queue", "Passwords that may wait per thread; requests beyond that get 503. Default 64.");
    public static readonly Setting EventSampling = new("EVENT_SAMPLING", "--event-sampling", "Share of users whose events are published: auth.user.token_refreshed=10%; separate several by commas. Default: all.");
    public static readonly Setting EventEnrichment = new("EVENT_ENRICHMENT", "--event-enrichment", "What to add to auth events in data.context: country, device, separated by commas. Default: nothing.");
    public static readonly Setting CountryFile = new("COUNTRY_FILE", "--country-file", "MaxMind DB (.mmdb) of countries, such as GeoLite2-Country; reloaded when it changes.");
    public static readonly Setting Samples = new("WATCHWORD_SAMPLES", "--samples", "Run the sample subscribers beside the server; ./run builds them. In the environment: their program.");

    /// <summary>In the order of <c>--help</c>.</summary>
    public static readonly IReadOnlyList<Setting> All =
    [
        Port, Host, Url, Secret, DatabaseUrl, DatabaseSchema, TargetDatabaseUrl, TargetDatabaseSchema, NatsUrl, NatsCredentials, NatsCa, NatsCertificate, NatsKey, NatsInboxPrefix,
        NatsPort, Data, Roles, Service, Environment,
        AccessTokenLifetime, SessionLifetime, LoginLockout, PasswordLogN, PasswordR, PasswordP, PasswordThreads, PasswordQueue,
        EventSampling, EventEnrichment, CountryFile, Samples,
    ];
}
