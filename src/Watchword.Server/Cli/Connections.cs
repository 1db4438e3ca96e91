using System.CommandLine;
using System.Text.Json;
using Npgsql;
using Watchword.Events.JetStream;
using Watchword.Events.Postgres;
using Watchword.Server.Configuration;
using Watchword.Server.Local;
using Watchword.Server.Store;
using Command = System.CommandLine.Command;

namespace Watchword.Server.Cli;

/// <summary>
/// Connects commands to NATS and PostgreSQL: to what their options name, otherwise the environment or
/// <c>appsettings.json</c>, otherwise the server that runs on the data folder.
/// </summary>
internal static class Connections
{
    private static readonly TimeSpan NatsPatience = TimeSpan.FromSeconds(5);

    private static readonly Setting[] NatsOptions = [Setting.NatsUrl, Setting.NatsCredentials, Setting.NatsCa, Setting.NatsCertificate, Setting.NatsKey, Setting.NatsInboxPrefix];

    private static readonly Dictionary<Setting, Option<string>> Options = ((Setting[])[.. NatsOptions, Setting.DatabaseUrl, Setting.DatabaseSchema, Setting.TargetDatabaseUrl, Setting.Data])
        .ToDictionary(s => s, s => new Option<string>(s.Option) { Description = Help(s), HelpName = "value" });

    /// <summary>Gives a command the options for its connections.</summary>
    public static void AddTo(Command command, bool nats = true, bool database = false, bool databaseSchema = false, bool targetDatabase = false)
    {
        foreach (var setting in nats ? NatsOptions : [])
            command.Add(Options[setting]);
        if (database)
            command.Add(Options[Setting.DatabaseUrl]);
        if (databaseSchema)
            command.Add(Options[Setting.DatabaseSchema]);
        if (targetDatabase)
            command.Add(Options[Setting.TargetDatabaseUrl]);
        command.Add(Options[Setting.Data]);
    }

    /// <summary>Connects to NATS.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="name">The connection's name in the server's monitoring.</param>
    /// <param name="ct">Cancels.</param>
    /// <exception cref="CommandException">No NATS server is named.</exception>
    /// <exception cref="ConfigurationException">The settings are faulty.</exception>
    /// <exception cref="NatsAwayException">NATS cannot be reached or refuses the connection; says why.</exception>
    public static async Task<JetStreamClient> ConnectAsync(ParseResult parsed, string name, CancellationToken ct)
    {
        var settings = NatsSettings.Read(Configuration(parsed), NatsUrl(parsed))! with { Name = name };
        return settings.Faults() is { Count: > 0 } faults
            ? throw new ConfigurationException(faults)
            : await JetStreamClient.OpenAsync(settings, NatsPatience, ct);
    }

    /// <summary>Opens the identity store; null when none is named that belongs to the same server as NATS.</summary>
    public static NpgsqlDataSource? OpenDatabase(ParseResult parsed, string name)
    {
        // One server's outbox must not fill the gaps in another server's streams.
        var url = Find(parsed, Setting.DatabaseUrl, e => Place(e.Nats) == Place(NatsUrl(parsed)) ? e.Database : "");
        return url is null ? null : IdentityDatabase.Open(ConnectionString(Setting.DatabaseUrl, url), name);

        static string Place(string nats) => Uri.TryCreate(nats.Split(',')[0], UriKind.Absolute, out var uri) ? uri.Authority : nats;
    }

    /// <summary>The connection string of the target of user sync.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="option">The command's option for it, where that is not <c>--target-database-url</c>.</param>
    /// <exception cref="CommandException">No database is named.</exception>
    /// <exception cref="ConfigurationException">The URL is faulty.</exception>
    public static string TargetDatabase(ParseResult parsed, string? option = null) =>
        FindTargetDatabase(parsed) ?? throw Missing("the target of user sync", Setting.TargetDatabaseUrl, option);

    /// <summary>As <see cref="TargetDatabase"/>; null when none is named, and no server with a target runs.</summary>
    /// <exception cref="ConfigurationException">The URL is faulty.</exception>
    public static string? FindTargetDatabase(ParseResult parsed) =>
        Find(parsed, Setting.TargetDatabaseUrl, e => e.TargetDatabase) is { } url ? ConnectionString(Setting.TargetDatabaseUrl, url) : null;

    /// <summary>Opens the identity store.</summary>
    /// <exception cref="CommandException">None is named.</exception>
    /// <inheritdoc cref="OpenDatabase"/>
    public static NpgsqlDataSource OpenIdentityDatabase(ParseResult parsed, string name) =>
        OpenDatabase(parsed, name) ?? throw Missing("the identity store", Setting.DatabaseUrl);

    /// <summary>Better Auth's tables in the identity store.</summary>
    /// <exception cref="CommandException">It has none in the schema that is named.</exception>
    public static async Task<IdentityTables> IdentityTablesAsync(ParseResult parsed, NpgsqlDataSource database, CancellationToken ct)
    {
        var schema = Text(Configuration(parsed), Setting.DatabaseSchema) ?? "public";
        await using var connection = await database.OpenConnectionAsync(ct);
        return await IdentityTables.FindAsync(connection, schema, ct)
            ?? throw new CommandException($"Schema {schema} of the identity store has no identity tables: name theirs with {Setting.DatabaseSchema.Option} or {Setting.DatabaseSchema.Key}.");
    }

    private static string NatsUrl(ParseResult parsed) => Find(parsed, Setting.NatsUrl, e => e.Nats) ?? throw Missing("a NATS server", Setting.NatsUrl);

    private static string? Find(ParseResult parsed, Setting setting, Func<Endpoints, string> running)
    {
        var configuration = Configuration(parsed);
        if (Text(configuration, setting) is { } named)
            return named;
        var folder = Path.GetFullPath(Text(configuration, Setting.Data) ?? "data");
        try
        {
            return EndpointsFile.Read(folder) is { } endpoints && running(endpoints) is { Length: > 0 } url ? url : null;
        }
        catch (JsonException e)
        {
            throw new CommandException($"{Path.Combine(folder, "endpoints.json")} is damaged, and a server writes it when it starts: {e.Message}");
        }
    }

    private static IConfiguration Configuration(ParseResult parsed) => SettingSources.Read(
        Options.Where(o => parsed.GetResult(o.Value) is not null).Select(o => KeyValuePair.Create(o.Key.Key, parsed.GetValue(o.Value))));

    // As for the server: an empty variable counts as unset.
    private static string? Text(IConfiguration configuration, Setting setting) =>
        configuration[setting.Key] is { } text && !string.IsNullOrWhiteSpace(text) ? text.Trim() : null;

    private static string ConnectionString(Setting setting, string url)
    {
        try
        {
            return DatabaseUrl.ToConnectionString(url, setting.Key);
        }
        catch (FormatException e)
        {
            throw new ConfigurationException([e.Message]);
        }
    }

    private static CommandException Missing(string what, Setting setting, string? option = null) =>
        new($"No server runs on this data folder: start one with ./run, or name {what} with {option ?? setting.Option} or {setting.Key}.");

    private static string Help(Setting setting) => setting switch
    {
        _ when setting == Setting.NatsUrl => "NATS with JetStream, nats:// or tls://. Default: the running server's.",
        _ when setting == Setting.DatabaseUrl => "Identity store, postgres://… or Host=…. Default: the running server's.",
        _ when setting == Setting.TargetDatabaseUrl => "Database whose users table is kept in sync. Default: the running server's.",
        _ when setting == Setting.Data => "Data folder of the running server, which tells where everything listens. Default ./data.",
        _ => setting.Help,
    };
}
