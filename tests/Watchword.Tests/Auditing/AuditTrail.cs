using System.Text;
using Microsoft.Extensions.Logging.Abstractions;
using Watchword.Auditing;
using Watchword.Events.Postgres;

namespace Watchword.Tests.Auditing;

/// <summary>An audit log in a database of its own, and somebody who tampers with it.</summary>
internal sealed class AuditTrail(TestDatabase database) : IAsyncDisposable
{
    public TestDatabase Database { get; } = database;

    public static async Task<AuditTrail> CreateAsync(PostgresFixture postgres, int rows = 0)
    {
        var trail = new AuditTrail(await postgres.EmptyAsync());
        await MigrationRunner.ApplyAsync(trail.Database.Source, [AuditLogSchema.Migrations], NullLogger.Instance);
        await trail.AppendAsync(Enumerable.Range(1, rows).Select(Entry));
        return trail;
    }

    /// <summary>Every column differs from row to row; none is null in odd ones.</summary>
    public static AuditEntry Entry(int number) => new(
        $"event-{number}", "auth-events", number * 7, "auth.user.registered", number % 2 == 0 ? null : $"user-{number}", number % 3 == 0 ? null : "ada", "crm",
        $"c-{number}", new DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero).AddMicroseconds(number), Encoding.UTF8.GetBytes($$"""{"number":{{number}},"name":"Zoë"}"""));

    /// <summary>In one transaction.</summary>
    public async Task AppendAsync(IEnumerable<AuditEntry> entries, bool commit = true)
    {
        await using var connection = await Database.Source.OpenConnectionAsync();
        await using var transaction = await connection.BeginTransactionAsync();
        foreach (var entry in entries)
            await AuditLog.AppendAsync(transaction, entry, TestContext.Current.CancellationToken);
        if (commit)
            await transaction.CommitAsync();
    }

    public Task<AuditReport> VerifyAsync(AuditHead? noted = null) => AuditLogVerifier.VerifyAsync(Database.Source, noted, ct: TestContext.Current.CancellationToken);

    /// <summary>As one does who owns the database: with the triggers switched off.</summary>
    public async Task TamperAsync(string sql) =>
        Assert.NotEqual(0, await Database.ExecuteAsync("BEGIN; SET LOCAL session_replication_role = replica; " + sql + "; COMMIT"));

    public ValueTask DisposeAsync() => Database.DisposeAsync();
}
