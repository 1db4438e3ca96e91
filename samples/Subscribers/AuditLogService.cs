using Microsoft.Extensions.DependencyInjection;
using Npgsql;
using Watchword.Auditing;
using Watchword.Events;

namespace Watchword.Samples.Subscribers;

/// <summary>Appends every event to the audit log.</summary>
internal static class AuditLogService
{
    public const string Name = "audit-log";

    public static void Add(IServiceCollection services, NpgsqlDataSource database) =>
        services.AddWatchwordSubscriber(Name, s => s.ParkIn(database).ExactlyOnce()
            // An append locks the chain until the commit: one lane, and many events in a commit.
            .With(o => o with { Concurrency = 1, BatchSize = 200 })
            .OnAny((context, ct) => AuditLog.AppendAsync(context.Transaction, context, ct), "auth-events", "identity-changes"));
}
