using System.Globalization;
using Microsoft.Extensions.Configuration;
using Npgsql;
using Watchword.Events.JetStream;
using Watchword.Events.Postgres;

namespace Watchword.Samples.Subscribers;

/// <summary>What can be set, in the environment; validated, with every fault at once.</summary>
internal sealed record SampleSettings
{
    public required NatsSettings Nats { get; init; }

    /// <summary>Npgsql connection string of where the subscribers keep their things.</summary>
    public required string Database { get; init; }

    /// <summary>Where mails are written as .eml files, unless <see cref="Smtp"/> is set.</summary>
    public required string MailFolder { get; init; }

    /// <summary>Null: mails are written as files.</summary>
    public Uri? Smtp { get; init; }

    public string MailFrom { get; init; } = "welcome@example.com";

    /// <summary>So many users logging in from one address within <see cref="BruteForceWindow"/> is an alert.</summary>
    public int BruteForceUsers { get; init; } = 10;

    public TimeSpan BruteForceWindow { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>More refreshes of one user within a minute are an alert.</summary>
    public int RefreshesPerMinute { get; init; } = 30;

    /// <summary>How long it is kept who was active on a day.</summary>
    public TimeSpan AnalyticsKept { get; init; } = TimeSpan.FromDays(90);

    /// <summary>How long devices are kept from their last use on, and alerts from their publication on.</summary>
    public TimeSpan SecurityKept { get; init; } = TimeSpan.FromDays(365);

    /// <exception cref="FormatException">Holds a line for every fault.</exception>
    public static SampleSettings Read(IConfiguration configuration)
    {
        List<string> faults = [];
        var settings = new SampleSettings
        {
            Nats = (NatsSettings.Read(configuration) ?? new() { Url = Missing("NATS_URL", "nats://user:password@host:4222") }) with { Name = "watchword samples" },
            Database = Database(),
            MailFolder = Path.GetFullPath(Text("MAIL_FOLDER") ?? Path.Combine(Text("WATCHWORD_DATA") ?? ".", "mail")),
            Smtp = Smtp(),
            MailFrom = Text("MAIL_FROM") ?? "welcome@example.com",
            BruteForceUsers = Number("SECURITY_BRUTE_FORCE_USERS", 10),
            BruteForceWindow = TimeSpan.FromSeconds(Number("SECURITY_BRUTE_FORCE_SECONDS", 300)),
            RefreshesPerMinute = Number("SECURITY_REFRESHES_PER_MINUTE", 30),
            AnalyticsKept = TimeSpan.FromDays(Number("ANALYTICS_KEEP_DAYS", 90)),
            SecurityKept = TimeSpan.FromDays(Number("SECURITY_KEEP_DAYS", 365)),
        };
        if (Text("NATS_URL") is not null)
            faults.AddRange(settings.Nats.Faults());
        if (settings.SecurityKept < settings.BruteForceWindow)
            faults.Add($"SECURITY_KEEP_DAYS is '{settings.SecurityKept.Days}': expected no less time than SECURITY_BRUTE_FORCE_SECONDS, within which an alert is not raised again");
        if (!System.Net.Mail.MailAddress.TryCreate(settings.MailFrom, out _))
            faults.Add($"MAIL_FROM is '{settings.MailFrom}': expected an e-mail address");
        return faults.Count == 0 ? settings : throw new FormatException(string.Join('\n', faults));

        string? Text(string key) => configuration[key] is { } text && !string.IsNullOrWhiteSpace(text) ? text.Trim() : null;

        string Missing(string key, string form)
        {
            faults.Add($"{key} is not set: expected {form}");
            return "";
        }

        string Database()
        {
            try
            {
                var text = Text("DATABASE_URL") ?? Missing("DATABASE_URL", "postgres://user:password@host:5432/database");
                return text.Length == 0 ? "" : new NpgsqlConnectionStringBuilder(DatabaseUrl.ToConnectionString(text, "DATABASE_URL")) { MaxAutoPrepare = 64 }.ConnectionString;
            }
            catch (FormatException e)
            {
                faults.Add(e.Message);
                return "";
            }
        }

        Uri? Smtp()
        {
            if (Text("SMTP_URL") is not { } text)
                return null;
            if (Uri.TryCreate(text, UriKind.Absolute, out var url) && url.Scheme is "smtp" or "smtps" && url.Host.Length > 0)
                return url;
            faults.Add("SMTP_URL is not of the form smtp://user:password@host:port");
            return null;
        }

        int Number(string key, int otherwise)
        {
            if (Text(key) is not { } text)
                return otherwise;
            if (int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number is >= 1 and <= 1_000_000)
                return number;
            faults.Add($"{key} is '{text}': expected a whole number from 1 to 1,000,000");
            return otherwise;
        }
    }
}
