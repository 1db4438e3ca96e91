using System.Diagnostics;
using System.Globalization;
using Watchword.Events.JetStream;
using Watchword.Events.Outbox;
using Watchword.Events.Subscribing;
using Watchword.Server.Admin;
using Watchword.Server.Catalogue;
using Watchword.Server.Cli;
using Watchword.Server.Configuration;
using Watchword.Server.Hosting;
using Watchword.Server.Http;
using Watchword.Server.Operations;
using Watchword.Server.Passwords;
using Watchword.Server.Sessions;
using Watchword.Server.Store;
using Watchword.Server.Tokens;
using Watchword.UserSync;

// An invalid traceparent starts a new trace.
Activity.DefaultIdFormat = ActivityIdFormat.W3C;
Activity.ForceDefaultIdFormat = true;

// Output must not depend on the machine's locale.
CultureInfo.CurrentCulture = CultureInfo.CurrentUICulture = CultureInfo.InvariantCulture;
CultureInfo.DefaultThreadCurrentCulture = CultureInfo.DefaultThreadCurrentUICulture = CultureInfo.InvariantCulture;

return await CommandLine.RunAsync(args, async (configuration, stop) =>
{
    PasswordText.ThrowIfNotNormalizing();
    using var logs = LoggerFactory.Create(logging => logging.AddWatchwordLogs());

    // PostgreSQL and NATS: given, or started here.
    await using var engines = await Engines.StartAsync(OptionsReader.Read(configuration).WithFreePort(), logs, stop);
    var options = engines.Options;
    Samples.Check(options);
    await using var database = IdentityDatabase.Open(options.Database!, "watchword");
    await using var target = options.TargetDatabase is null ? null : IdentityDatabase.Open(options.TargetDatabase, "watchword-sync", options.TargetDatabaseSchema);
    var tables = await IdentityDatabase.PrepareAsync(database, options.DatabaseSchema, options.Service, options.Environment, logs.CreateLogger("Watchword.Server.Store"), stop);
    await using var nats = JetStreamClient.Connect(options.Nats, logs);

    var builder = WebApplication.CreateSlimBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
    builder.Logging.AddWatchwordLogs();
    builder.ListenOn(options);
    builder.Services
        .AddSingleton(TimeProvider.System)
        .AddSingleton(database)
        .AddSingleton(tables)
        .AddSingleton(nats)
        .AddSingleton(nats.Connection)
        .AddSingleton<OutboxSignal>()
        .AddSingleton<IdentityStore>();

    // The work of each role.
    if (options.Roles.HasFlag(Roles.Api))
    {
        builder.Services.AddPasswords(options.Passwords);
        builder.Services.AddSessions(options);
        builder.Services.AddTokenApi(options);
    }
    builder.Services.AddOutbox(new RelayOptions { Source = options.Url.OriginalString, Sampling = options.Sampling, Enrichment = options.Enrichment }, carry: options.Roles.HasFlag(Roles.Relay));
    if (options.Roles.HasFlag(Roles.Sync) && target is not null)
        builder.Services.AddUserSync(target, new UserSyncOptions());
    if (options.Samples is { } samples)
        builder.Services.AddHostedService(s => new Samples(engines, samples, s.GetRequiredService<ILoggerFactory>()));
    builder.Services.AddSingleton(engines).AddHostedService<Announcement>();

    // The endpoints.
    await using var app = builder.Build();
    app.UseForwardedHeaders(ProxyHeaders.Options);
    app.UseErrorBodies();
    app.MapHealth();
    app.MapCatalogue();
    if (options.Roles.HasFlag(Roles.Api))
    {
        app.UseAuthentication();
        app.UseAuthorization();
        app.MapTokenApi();
        app.MapEventAdmin();
        if (target is not null)
            app.MapDeadLetterAdmin(new DeadLetters(target));
    }
    await app.ServeAsync(options, stop);
});
