using System.CommandLine;
using Npgsql;
using Watchword.Events.Postgres;
using Watchword.Nats;
using Watchword.Server.Configuration;
using Watchword.Server.Local;
using Watchword.Server.Store;
using Command = System.CommandLine.Command;

namespace Watchword.Server.Cli;

/// <summary>
/// Where a command connects: what its options name, else the environment or <c>appsettings.json</c>, else where the
/// server that runs on the data folder has it.
/// </summary>
internal static class Connections
{
    private static readonly Setting[] NatsOptions = [Setting.NatsUrl, Setting.NatsCredentials, Setting.NatsCa, Setting.NatsCertificate, Setting.NatsKey, Setting.NatsInboxPrefix];

    private static readonly Dictionary<Setting, Option<string>> Options = ((Setting[])[.. NatsOptions, Setting.DatabaseUrl, Setting.TargetDatabaseUrl, Setting.Data])
        .ToDictionary(s => s, s => new Option<string>(s.Option) { Description = Help(s), HelpName = "value" });

    /// <summary>Gives a command the options that it connects with.</summary>
    public static void AddTo(Command command, bool nats = true, bool database = false, bool targetDatabase = false)
    {
        foreach (var setting in nats ? NatsOptions : [])
            command.Add(Options[setting]);
        if (database)
            command.Add(Options[Setting.DatabaseUrl]);
        if (targetDatabase)
            command.Add(Options[Setting.TargetDatabaseUrl]);
        command.Add(Options[Setting.Data]);
    }

    /// <summary>A connection that is open.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="name">What the server's monitoring shows.</param>
    /// <param name="ct">Gives up.</param>
    public static async Task<NatsConnection> ConnectAsync(ParseResult parsed, string name, CancellationToken ct)
    {
        var url = NatsUrl(parsed);
        if (NatsSettings.Faults(url, s => Text(parsed, s)).ToList() is { Count: > 0 } faults)
            throw new ConfigurationException(faults);
        var nats = new NatsConnection(NatsSettings.Read(url, s => Text(parsed, s)) with { Name = name });
        try
        {
            await nats.ConnectAsync(ct);
            return nats;
        }
        catch
        {
            await nats.DisposeAsync();
            throw;
        }
    }

    /// <summary>The identity store as a pool; null when nothing names one.</summary>
    public static NpgsqlDataSource? OpenDatabase(ParseResult parsed, string name) =>
        Find(parsed, Setting.DatabaseUrl, e => e.Database) is { } url ? IdentityDatabase.Open(ConnectionString(Setting.DatabaseUrl, url), name) : null;

    /// <exception cref="CommandException">Nothing names a NATS server.</exception>
    public static string NatsUrl(ParseResult parsed) => Find(parsed, Setting.NatsUrl, e => e.Nats) ?? throw Missing("a NATS server", Setting.NatsUrl);

    /// <summary>The identity store, as a connection string.</summary>
    /// <exception cref="CommandException">Nothing names one.</exception>
    /// <exception cref="ConfigurationException">It cannot be understood.</exception>
    public static string Database(ParseResult parsed) =>
        ConnectionString(Setting.DatabaseUrl, Find(parsed, Setting.DatabaseUrl, e => e.Database) ?? throw Missing("the identity store", Setting.DatabaseUrl));

    /// <summary>The target of user sync, as a connection string.</summary>
    /// <exception cref="CommandException">Nothing names one.</exception>
    /// <exception cref="ConfigurationException">It cannot be understood.</exception>
    public static string TargetDatabase(ParseResult parsed) => ConnectionString(
        Setting.TargetDatabaseUrl, Find(parsed, Setting.TargetDatabaseUrl, e => e.TargetDatabase) ?? throw Missing("the target of user sync", Setting.TargetDatabaseUrl));

    private static string? Find(ParseResult parsed, Setting setting, Func<Endpoints, string> running)
    {
        if (Text(parsed, setting) is { } named)
            return named;
        var folder = Path.GetFullPath(Text(parsed, Setting.Data) ?? "data");
        return EndpointsFile.Read(folder) is { } endpoints && running(endpoints) is { Length: > 0 } url ? url : null;
    }

    private static string? Text(ParseResult parsed, Setting setting)
    {
        // As for the server: an empty variable counts as unset.
        var text = parsed.GetValue(Options[setting]) ?? Configuration.Value[setting.Key];
        return string.IsNullOrWhiteSpace(text) ? null : text.Trim();
    }

    private static readonly Lazy<IConfiguration> Configuration = new(() =>
        new ConfigurationBuilder().AddJsonFile(Path.GetFullPath("appsettings.json"), optional: true).AddEnvironmentVariables().Build());

    private static string ConnectionString(Setting setting, string url)
    {
        try
        {
            return DatabaseUrl.ToConnectionString(url);
        }
        catch (FormatException e)
        {
            throw new ConfigurationException([$"{setting.Key} {e.Message}"]);
        }
    }

    private static CommandException Missing(string what, Setting setting) =>
        new($"No server runs on this data folder: start one with ./run, or name {what} with {setting.Option} or {setting.Key}.");

    private static string Help(Setting setting) => setting switch
    {
        _ when setting == Setting.NatsUrl => "NATS with JetStream, nats:// or tls://. Default: the running server's.",
        _ when setting == Setting.DatabaseUrl => "Identity store, postgres://… or Host=…. Default: the running server's.",
        _ when setting == Setting.TargetDatabaseUrl => "Database whose users table is kept in step. Default: the running server's.",
        _ when setting == Setting.Data => "Data folder of the running server, which says where everything listens. Default ./data.",
        _ => setting.Help,
    };
}
