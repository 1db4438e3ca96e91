using System.Globalization;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Npgsql;
using Watchword.Auditing;
using Watchword.Events.JetStream;
using Watchword.Events.Postgres;
using Watchword.Samples.Subscribers;

const int ExitUsage = 64;
const int ExitConfiguration = 78;
const string WhileStdin = "--while-stdin";

// Output must not depend on the machine's locale.
CultureInfo.CurrentCulture = CultureInfo.CurrentUICulture = CultureInfo.InvariantCulture;
CultureInfo.DefaultThreadCurrentCulture = CultureInfo.DefaultThreadCurrentUICulture = CultureInfo.InvariantCulture;

var subscribers = new Dictionary<string, Action<IServiceCollection, SampleSettings, NpgsqlDataSource>>(StringComparer.Ordinal)
{
    [EmailService.Name] = EmailService.Add,
    [Analytics.Name] = Analytics.Add,
    [Security.Name] = Security.Add,
    [AuditLogService.Name] = (services, _, database) => AuditLogService.Add(services, database),
};

if (args.Any(a => a is "-h" or "--help"))
{
    Console.WriteLine($"""
        Sample subscribers: {string.Join(", ", subscribers.Keys)}.

        Usage: dotnet run --project samples/Subscribers [-- NAME …] [{WhileStdin}]
        With names, only those run. {WhileStdin}: stop when standard input ends, as ./run --samples does.

        In the environment:
          NATS_URL                       the NATS server; NATS_CREDS and NATS_INBOX_PREFIX if it requires them
          DATABASE_URL                   the subscribers' own database
          MAIL_FOLDER, MAIL_FROM         folder and sender of the welcome mails. Default folder: mail below WATCHWORD_DATA, or here
          SMTP_URL                       smtp://user:password@host:port sends them instead, with STARTTLS if the server offers it;
                                         smtps://… with TLS from the start
          ANALYTICS_KEEP_DAYS            how long the active users of a day are kept; their number stays. Default 90
          SECURITY_KEEP_DAYS             how long unused devices and published alerts are kept. Default 365
          SECURITY_BRUTE_FORCE_USERS     this many users who log in from one address raise an alert. Default 10
          SECURITY_BRUTE_FORCE_SECONDS   … within this time. Default 300
          SECURITY_LOGIN_FAILURES        failed logins of one user raise an alert. Default 10
          SECURITY_REFRESHES_PER_MINUTE  more refreshes of one user raise an alert. Default 30
        """);
    return 0;
}

var names = args.Except([WhileStdin], StringComparer.Ordinal).Distinct(StringComparer.Ordinal).ToArray();
if (names.Except(subscribers.Keys, StringComparer.Ordinal).ToArray() is { Length: > 0 } unknown)
{
    await Console.Error.WriteLineAsync($"There is no subscriber {string.Join(", ", unknown)}; choose from {string.Join(", ", subscribers.Keys)}.");
    return ExitUsage;
}

try
{
    var builder = Host.CreateEmptyApplicationBuilder(null);
    builder.Configuration.AddEnvironmentVariables();
    var settings = SampleSettings.Read(builder.Configuration);
    await using var database = NpgsqlDataSource.Create(settings.Database);
    builder.Logging.AddFilter("Npgsql", LogLevel.None).AddFilter("Microsoft", LogLevel.Warning);
    if (Console.IsOutputRedirected)
        builder.Logging.AddJsonConsole();
    else
        builder.Logging.AddSimpleConsole(o => (o.SingleLine, o.TimestampFormat) = (true, "HH:mm:ss "));
    builder.Services.AddSingleton(s => JetStreamClient.Connect(settings.Nats, s.GetRequiredService<ILoggerFactory>()));
    foreach (var name in names.Length > 0 ? names : [.. subscribers.Keys])
        subscribers[name](builder.Services, settings, database);

    using var host = builder.Build();
    var stopping = host.Services.GetRequiredService<IHostApplicationLifetime>();
    if (args.Contains(WhileStdin, StringComparer.Ordinal))
        _ = Task.Run(async () =>
        {
            await Console.OpenStandardInput().CopyToAsync(Stream.Null);
            stopping.StopApplication();
        });
    var log = host.Services.GetRequiredService<ILoggerFactory>().CreateLogger("Watchword.Samples.Subscribers");
    await PrepareAsync(database, log, stopping.ApplicationStopping);
    await host.RunAsync();
    return 0;
}
catch (FormatException e)
{
    await Console.Error.WriteLineAsync($"The sample subscribers cannot start:\n  - {e.Message.Replace("\n", "\n  - ", StringComparison.Ordinal)}");
    return ExitConfiguration;
}
catch (Exception e) when (e is MigrationException or NpgsqlException)
{
    await Console.Error.WriteLineAsync($"The sample subscribers cannot start: DATABASE_URL: {e.Message}");
    return ExitConfiguration;
}
catch (OperationCanceledException)
{
    return 0;
}

static async Task PrepareAsync(NpgsqlDataSource database, ILogger log, CancellationToken ct)
{
    MigrationSet[] sets = [AuditLogSchema.Migrations, MigrationSet.FromResources("sample-subscribers", typeof(SampleSettings).Assembly, "Watchword.Samples.Subscribers.Migrations")];
    while (true)
    {
        try
        {
            await MigrationRunner.ApplyAsync(database, sets, log, ct);
            return;
        }
        catch (NpgsqlException e) when (e.IsTransient)
        {
            log.DatabaseNotReady(e.Message);
            await Task.Delay(TimeSpan.FromSeconds(1), ct);
        }
    }
}
