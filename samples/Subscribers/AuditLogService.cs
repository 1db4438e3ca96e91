using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Watchword.Auditing;
using Watchword.Events;

namespace Watchword.Samples.Subscribers;

/// <summary>Every event, into the audit log.</summary>
internal static class AuditLogService
{
    public const string Name = "audit-log";

    public static void Add(IServiceCollection services, NpgsqlDataSource database) =>
        services.AddWatchwordSubscriber(Name, s => s.ParkIn(database).ExactlyOnce()
            // There is one chain, and who appends to it holds it until the commit: one lane, many events to a commit.
            .With(o => o with { Concurrency = 1, BatchSize = 200 })
            .OnAny((context, ct) => AuditLog.AppendAsync(context.Transaction, context, ct), "auth-events", "identity-changes"));
}
