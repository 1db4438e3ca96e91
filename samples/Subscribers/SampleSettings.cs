using System.Globalization;
using Microsoft.Extensions.Configuration;
using MimeKit;
using Npgsql;
using Watchword.Events.JetStream;
using Watchword.Events.Postgres;

namespace Watchword.Samples.Subscribers;

/// <summary>The settings, read from the environment. Every fault is reported at once.</summary>
internal sealed record SampleSettings
{
    public required NatsSettings Nats { get; init; }

    /// <summary>Npgsql connection string of the database in which the subscribers keep their data.</summary>
    public required string Database { get; init; }

    /// <summary>The folder for mails as .eml files, unless <see cref="Smtp"/> is set.</summary>
    public required string MailFolder { get; init; }

    /// <summary>The mail server; null: mails are written as files.</summary>
    public Uri? Smtp { get; init; }

    public string MailFrom { get; init; } = "welcome@example.com";

    /// <summary>This many users who log in from one address within <see cref="BruteForceWindow"/> raise an alert.</summary>
    public int BruteForceUsers { get; init; } = 10;

    public TimeSpan BruteForceWindow { get; init; } = TimeSpan.FromMinutes(5);

    /// <summary>This many failed logins of one user within <see cref="BruteForceWindow"/> raise an alert.</summary>
    public int LoginFailures { get; init; } = 10;

    /// <summary>More refreshes of one user within a minute raise an alert.</summary>
    public int RefreshesPerMinute { get; init; } = 30;

    /// <summary>How long the users who were active on a day are kept.</summary>
    public TimeSpan AnalyticsKept { get; init; } = TimeSpan.FromDays(90);

    /// <summary>How long devices are kept after their last use, and alerts after their publication.</summary>
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
            LoginFailures = Number("SECURITY_LOGIN_FAILURES", 10),
            RefreshesPerMinute = Number("SECURITY_REFRESHES_PER_MINUTE", 30),
            AnalyticsKept = TimeSpan.FromDays(Number("ANALYTICS_KEEP_DAYS", 90)),
            SecurityKept = TimeSpan.FromDays(Number("SECURITY_KEEP_DAYS", 365)),
        };
        if (Text("NATS_URL") is not null)
            faults.AddRange(settings.Nats.Faults());
        if (settings.SecurityKept < settings.BruteForceWindow)
            faults.Add($"SECURITY_KEEP_DAYS is '{settings.SecurityKept.Days}': expected at least SECURITY_BRUTE_FORCE_SECONDS, within which an alert is not raised again");
        if (!MailboxAddress.TryParse(settings.MailFrom, out var from) || from.Domain.Length == 0)
            faults.Add($"MAIL_FROM is '{settings.MailFrom}': expected an e-mail address such as Welcome <welcome@example.com>");
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
            faults.Add("SMTP_URL is not of the form smtp://user:password@host:port or smtps://…");
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
