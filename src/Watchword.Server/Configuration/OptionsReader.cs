using System.Globalization;
using Npgsql;
using Watchword.Events.Enrichment;
using Watchword.Events.JetStream;
using Watchword.Events.Postgres;
using Watchword.Server.Passwords;

namespace Watchword.Server.Configuration;

/// <summary>Reads and validates all settings, and reports every fault at once.</summary>
internal sealed class OptionsReader(IConfiguration configuration)
{
    private readonly List<string> _errors = [];

    /// <exception cref="ConfigurationException">Has one line for every fault.</exception>
    public static ServerOptions Read(IConfiguration configuration) => new OptionsReader(configuration).Read();

    private ServerOptions Read()
    {
        var port = Number(Setting.Port, 1, 65535) ?? 3001;
        var database = Database(Setting.DatabaseUrl);
        var options = new ServerOptions
        {
            Port = port,
            Host = Address(),
            Roles = ReadRoles(),
            DataFolder = Folder(),
            Database = database,
            TargetDatabase = Database(Setting.TargetDatabaseUrl),
            DatabaseSchema = Schema(Setting.DatabaseSchema),
            TargetDatabaseSchema = Schema(Setting.TargetDatabaseSchema),
            NatsUrl = Text(Setting.NatsUrl),
            Nats = Nats(),
            NatsPort = Number(Setting.NatsPort, 1, 65535),
            Url = Origin(port),
            Secret = Secret(mayBeGenerated: database is null),
            Service = Text(Setting.Service) ?? "auth-service",
            Environment = Text(Setting.Environment) ?? "production",
            AccessTokenLifetime = Duration(Setting.AccessTokenLifetime, TimeSpan.FromSeconds(1), TimeSpan.FromHours(24)) ?? TimeSpan.FromMinutes(15),
            SessionLifetime = Duration(Setting.SessionLifetime, TimeSpan.FromMinutes(1), TimeSpan.FromDays(365)) ?? TimeSpan.FromDays(7),
            Lockout = Lockout(),
            Passwords = Passwords(),
            Sampling = Sampling(),
            Enrichment = Enrichment(),
            Samples = Text(Setting.Samples),
        };
        return _errors.Count == 0 ? options : throw new ConfigurationException(_errors);
    }

    // A compose file has no other way to unset a variable.
    private string? Text(Setting setting) =>
        configuration[setting.Key] is { } text && !string.IsNullOrWhiteSpace(text) ? text.Trim() : null;

    private int? Number(Setting setting, int min, int max)
    {
        if (Text(setting) is not { } text)
            return null;
        if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number >= min && number <= max)
            return number;
        _errors.Add($"{setting.Key} is '{text}': expected a whole number from {min} to {max}");
        return null;
    }

    private TimeSpan? Duration(Setting setting, TimeSpan min, TimeSpan max)
    {
        if (Text(setting) is not { } text)
            return null;
        if (Durations.TryParse(text, out var duration) && duration >= min && duration <= max)
            return duration;
        _errors.Add($"{setting.Key} is '{text}': expected {Durations.Format(min)} to {Durations.Format(max)}, for example 900s, 15m, 24h or 7d");
        return null;
    }

    private string? Database(Setting setting)
    {
        if (Text(setting) is not { } text)
            return null;
        try
        {
            var connection = DatabaseUrl.ToConnectionString(text, setting.Key);
            // Finds settings that exclude each other, which would otherwise fail at the first query.
            NpgsqlDataSource.Create(connection).Dispose();
            return connection;
        }
        catch (FormatException e)
        {
            _errors.Add(e.Message);
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException or InvalidOperationException or OverflowException or InvalidCastException)
        {
            _errors.Add($"{setting.Key} cannot be used: {e.Message}");
        }
        return null;
    }

    private string Schema(Setting setting)
    {
        var text = Text(setting) ?? "public";
        if (text == "watchword" || text.StartsWith("pg_", StringComparison.Ordinal) || text.Length > 63 || text.Any(char.IsControl))
            _errors.Add($"{setting.Key} is '{text}': expected the name of a schema of up to 63 characters; watchword holds Watchword's own tables, and pg_… PostgreSQL's");
        return text;
    }

    private LockoutOptions Lockout()
    {
        if (Text(Setting.LoginLockout) is not { } text)
            return new();
        if (text == "off")
            return new() { Failures = null };
        var parts = text.Split('/', StringSplitOptions.TrimEntries);
        if (parts.Length == 2 && int.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var failures) && failures is >= 3 and <= 1000
            && Durations.TryParse(parts[1], out var time) && time >= TimeSpan.FromSeconds(1) && time <= TimeSpan.FromDays(1))
            return new() { Failures = failures, Time = time };
        _errors.Add($"{Setting.LoginLockout.Key} is '{text}': expected 3 to 1000 failures and a time from 1s to 1d, for example 10/15m, or off");
        return new();
    }

    private string Folder()
    {
        var text = Text(Setting.Data) ?? "data";
        if (!text.Contains('\0', StringComparison.Ordinal))
            return Path.GetFullPath(text);
        _errors.Add($"{Setting.Data.Key} is not a path: it contains a NUL character");
        return "";
    }

    private NatsSettings Nats()
    {
        var settings = NatsSettings.Read(configuration, new NatsSettings().Url)!;
        _errors.AddRange(settings.Faults());
        return settings;
    }

    private Uri Origin(int port)
    {
        var standard = new Uri($"http://localhost:{port}");
        if (Text(Setting.Url) is not { } text)
            return standard;
        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri) || uri.Scheme is not ("http" or "https") || uri.Host.Length == 0)
            _errors.Add($"{Setting.Url.Key} is '{text}': expected the server's public origin, for example https://id.example.com");
        else if (uri.UserInfo.Length > 0)
            _errors.Add($"{Setting.Url.Key} contains a user name: remove it, because every token shows this URL as its issuer");
        else
            return new Uri(uri.GetLeftPart(UriPartial.Authority));
        return standard;
    }

    private string? Secret(bool mayBeGenerated)
    {
        var text = configuration[Setting.Secret.Key];
        if (string.IsNullOrWhiteSpace(text))
        {
            if (!mayBeGenerated)
                _errors.Add($"{Setting.Secret.Key} is not set: give every process of this installation the same secret of at least 32 characters, for example from `openssl rand -base64 32`");
            return null;
        }
        if (text.Length < 32)
            _errors.Add($"{Setting.Secret.Key} has {text.Length} characters: at least 32 are required, for example from `openssl rand -base64 32`");
        return text;
    }

    private string Address()
    {
        var text = Text(Setting.Host) ?? "localhost";
        if (text is not ("localhost" or "*") && !System.Net.IPAddress.TryParse(text, out _))
            _errors.Add($"{Setting.Host.Key} is '{text}': expected localhost, an IP address, or 0.0.0.0 for every interface");
        return text;
    }

    private Roles ReadRoles()
    {
        if (Text(Setting.Roles) is not { } text)
            return Roles.All;
        var roles = Roles.None;
        foreach (var name in text.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries))
        {
            if (name.All(char.IsAsciiLetter) && Enum.TryParse<Roles>(name, ignoreCase: true, out var role) && role != Roles.None)
                roles |= role;
            else
                _errors.Add($"{Setting.Roles.Key} names the unknown role '{name}': choose from api, relay, sync");
        }
        if (text.All(c => c == ',' || char.IsWhiteSpace(c)))
            _errors.Add($"{Setting.Roles.Key} names no role: choose from api, relay, sync");
        return roles;
    }

    private EventSampling Sampling()
    {
        if (Text(Setting.EventSampling) is not { } text)
            return EventSampling.None;
        var faults = new List<string>();
        var sampling = EventSampling.Parse(text, faults);
        _errors.AddRange(faults.Select(f => $"{Setting.EventSampling.Key} {f}"));
        return sampling;
    }

    private EnrichmentOptions Enrichment()
    {
        var file = Text(Setting.CountryFile);
        var added = (Text(Setting.EventEnrichment) ?? "").Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries);
        foreach (var name in added.Where(name => name is not ("country" or "device")))
            _errors.Add($"{Setting.EventEnrichment.Key} names '{name}': choose from country, device");
        var country = added.Contains("country");
        if (file is null && country)
            _errors.Add($"{Setting.EventEnrichment.Key} names country: set {Setting.CountryFile.Key} to a MaxMind DB file (.mmdb)");
        var options = new EnrichmentOptions { CountryFile = file, Country = country, Device = added.Contains("device") };
        if (options.CountryFileFault() is { } fault)
            _errors.Add($"{Setting.CountryFile.Key} ({file}) {fault}");
        return options;
    }

    private PasswordOptions Passwords()
    {
        var standard = new PasswordOptions();
        var options = standard with
        {
            LogN = Number(Setting.PasswordLogN, 1, 30) ?? standard.LogN,
            R = Number(Setting.PasswordR, 1, 1024) ?? standard.R,
            P = Number(Setting.PasswordP, 1, 1024) ?? standard.P,
            Threads = Number(Setting.PasswordThreads, 1, 256) ?? standard.Threads,
            QueueLength = Number(Setting.PasswordQueue, 1, 10_000) ?? standard.QueueLength,
        };
        // Each number is in range by itself, but their product may not be.
        _errors.AddRange(options.Validate().Select(e => $"{Setting.PasswordLogN.Key}, {Setting.PasswordR.Key}, {Setting.PasswordP.Key}: {e}"));
        return options;
    }
}

/// <summary>The configuration is faulty.</summary>
/// <param name="errors">The faults, one line each.</param>
internal sealed class ConfigurationException(IReadOnlyList<string> errors) : Exception(string.Join('\n', errors))
{
    public IReadOnlyList<string> Errors { get; } = errors;
}
