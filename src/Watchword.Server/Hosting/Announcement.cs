using Watchword.Events.Outbox;
using Watchword.UserSync;

namespace Watchword.Server.Hosting;

/// <summary>Says what listens where, once everything that was asked for is at work.</summary>
internal sealed class Announcement(Engines engines, IHostApplicationLifetime lifetime, IServiceProvider services) : BackgroundService
{
    // With NATS away the server serves all the same.
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(10);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var listening = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using var registration = lifetime.ApplicationStarted.Register(listening.SetResult);
        await listening.Task.WaitAsync(stoppingToken);
        var parts = new[] { services.GetService<OutboxRelay>()?.Ready, services.GetService<UserSyncWorker>()?.Ready };
        await Task.WhenAny(Task.WhenAll(parts.OfType<Task>()), Task.Delay(Patience, stoppingToken));
        stoppingToken.ThrowIfCancellationRequested();

        var (endpoints, file) = engines.Announce();
        await Console.Error.WriteLineAsync($"""

            Watchword is ready.

              HTTP             {endpoints.Http}
              NATS             {Hide(endpoints.Nats)}
              identity store   {Hide(endpoints.Database)}
              target           {(endpoints.TargetDatabase.Length > 0 ? Hide(endpoints.TargetDatabase) : "none: set TARGET_DATABASE_URL")}
              with passwords   {file ?? "not written: another server's file stands there"}

            Ctrl-C stops everything.

            """);
    }

    // A terminal is read over shoulders.
    private static string Hide(string url) => System.Text.RegularExpressions.Regex.Replace(url, "(?<=://[^:/@]*:)[^@]*(?=@)", "•••", System.Text.RegularExpressions.RegexOptions.None, TimeSpan.FromSeconds(1));
}
