using System.CommandLine;
using System.Text.Json;
using Npgsql;
using Watchword.Events.Postgres;
using NATS.Client.Core;
using Watchword.Events.JetStream;
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

    /// <summary>The identity store as a pool; null when nothing names one that belongs to the NATS in use.</summary>
    public static NpgsqlDataSource? OpenDatabase(ParseResult parsed, string name)
    {
        // Another server's streams must not be filled up from this one's outbox.
        var url = Find(parsed, Setting.DatabaseUrl, e => Place(e.Nats) == Place(NatsUrl(parsed)) ? e.Database : "");
        return url is null ? null : IdentityDatabase.Open(ConnectionString(Setting.DatabaseUrl, url), name);

        static string Place(string nats) => Uri.TryCreate(nats.Split(',')[0], UriKind.Absolute, out var uri) ? uri.Authority : nats;
    }

    /// <exception cref="CommandException">Nothing names a NATS server.</exception>
    public static string NatsUrl(ParseResult parsed) => Find(parsed, Setting.NatsUrl, e => e.Nats) ?? throw Missing("a NATS server", Setting.NatsUrl);

    /// <summary>The identity store, as a connection string.</summary>
    /// <exception cref="CommandException">Nothing names one.</exception>
    /// <exception cref="ConfigurationException">It cannot be understood.</exception>
    public static string Database(ParseResult parsed) =>
        ConnectionString(Setting.DatabaseUrl, Find(parsed, Setting.DatabaseUrl, e => e.Database) ?? throw Missing("the identity store", Setting.DatabaseUrl));

    /// <summary>The target of user sync, as a connection string.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="option">What the command calls the option by which it is named.</param>
    /// <exception cref="CommandException">Nothing names one.</exception>
    /// <exception cref="ConfigurationException">It cannot be understood.</exception>
    public static string TargetDatabase(ParseResult parsed, string? option = null) => ConnectionString(
        Setting.TargetDatabaseUrl, Find(parsed, Setting.TargetDatabaseUrl, e => e.TargetDatabase) ?? throw Missing("the target of user sync", Setting.TargetDatabaseUrl, option));

    private static string? Find(ParseResult parsed, Setting setting, Func<Endpoints, string> running)
    {
        if (Text(parsed, setting) is { } named)
            return named;
        var folder = Path.GetFullPath(Text(parsed, Setting.Data) ?? "data");
        try
        {
            return EndpointsFile.Read(folder) is { } endpoints && running(endpoints) is { Length: > 0 } url ? url : null;
        }
        catch (JsonException e)
        {
            throw new CommandException($"{Path.Combine(folder, "endpoints.json")} is not as a server writes it, which does so when it starts: {e.Message}");
        }
    }

    private static string? Text(ParseResult parsed, Setting setting)
    {
        // As for the server: an empty variable counts as unset.
        var text = parsed.GetValue(Options[setting]) ?? Configured(setting);
        return string.IsNullOrWhiteSpace(text) ? null : text.Trim();
    }

    private static string? Configured(Setting setting)
    {
        try
        {
            return Configuration.Value[setting.Key];
        }
        catch (InvalidDataException e)
        {
            throw new ConfigurationException([$"appsettings.json cannot be read: {(e.InnerException ?? e).Message}"]);
        }
    }

    private static readonly Lazy<IConfiguration> Configuration = new(() =>
        new ConfigurationBuilder().AddJsonFile(Path.GetFullPath("appsettings.json"), optional: true).AddEnvironmentVariables().Build());

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
        _ when setting == Setting.TargetDatabaseUrl => "Database whose users table is kept in step. Default: the running server's.",
        _ when setting == Setting.Data => "Data folder of the running server, which says where everything listens. Default ./data.",
        _ => setting.Help,
    };
}
