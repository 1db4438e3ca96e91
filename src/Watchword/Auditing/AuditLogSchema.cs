using Watchword.Events.Postgres;

namespace Watchword.Auditing;

/// <summary>Creates the audit log in schema <c>watchword</c>.</summary>
public static class AuditLogSchema
{
    /// <summary>Migration set <c>audit-log</c>.</summary>
    public static MigrationSet Migrations { get; } = MigrationSet.FromResources(
        "audit-log", typeof(AuditLogSchema).Assembly, "Watchword.Auditing.Migrations");
}
