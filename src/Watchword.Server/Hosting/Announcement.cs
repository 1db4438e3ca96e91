using System.Text.RegularExpressions;
using Watchword.Events.Outbox;
using Watchword.UserSync;

namespace Watchword.Server.Hosting;

/// <summary>Prints what listens where and writes <c>endpoints.json</c>, once relay and user sync are at work.</summary>
internal sealed partial class Announcement(Engines engines, IHostApplicationLifetime lifetime, IServiceProvider services) : BackgroundService
{
    // Without NATS the server still serves HTTP, so it does not wait longer.
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
              with passwords   {file ?? "not written: it belongs to another server that runs"}

            Ctrl-C stops everything.

            """);
    }

    // People may be looking at the terminal.
    private static string Hide(string url) => Password().Replace(url, "•••");

    [GeneratedRegex("(?<=://[^:/@]*:)[^@]*(?=@)", RegexOptions.None, matchTimeoutMilliseconds: 1000)]
    private static partial Regex Password();
}
