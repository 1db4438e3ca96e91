using System.Text;
using NATS.Client.Core;
using Npgsql;
using Watchword.Auditing;
using Watchword.Events.Contracts;
using Watchword.Tests.Events.Subscribing;

namespace Watchword.Tests.Auditing;

/// <summary>The audit log only grows, in one chain, however many write to it.</summary>
public class AuditLogTests(PostgresFixture postgres, NatsFixture nats)
{
    [Fact]
    public async Task What_many_append_at_once_is_one_chain_without_gaps()
    {
        await using var trail = await AuditTrail.CreateAsync(postgres);
        // Several to a transaction, and one in five rolled back.
        await Task.WhenAll(Enumerable.Range(0, 60).Select(i => Task.Run(() => trail.AppendAsync(Enumerable.Range(i * 3, 3).Select(AuditTrail.Entry), commit: i % 5 != 0))));

        var report = await trail.VerifyAsync();
        Assert.True(report.IsWhole, report.Fault?.Problem);
        Assert.Equal((144L, 144L), (report.Rows, report.Head.Position));
        Assert.Equal(Enumerable.Range(1, 144).Select(i => (long)i), await trail.Database.QueryAsync<long>("SELECT position FROM watchword.audit_log ORDER BY 1"));
        Assert.Equal(144, await trail.Database.ScalarAsync<long>("SELECT count(DISTINCT previous_hash) FROM watchword.audit_log"));
    }

    [Fact]
    public async Task What_is_appended_is_kept_as_it_came()
    {
        await using var trail = await AuditTrail.CreateAsync(postgres);
        var entry = new AuditEntry("", "s", long.MaxValue, "a.b", "", null, "ö\n\"", null, DateTimeOffset.UnixEpoch, new byte[] { 0, 255, 0 });
        await trail.AppendAsync([entry, entry with { Payload = default }, entry with { Payload = new byte[300_000] }]);
        Assert.True((await trail.VerifyAsync()).IsWhole);
        Assert.Equal(" s 9223372036854775807 a.b  null ö\n\" null 1970-01-01 00:00:00+00 \\x00ff00", await trail.Database.ScalarAsync<string>("""
            SELECT concat_ws(' ', event_id, stream, sequence, subject, key, coalesce(actor, 'null'), origin, coalesce(correlation_id, 'null'),
                             (occurred_at AT TIME ZONE 'UTC')::text || '+00', payload)
            FROM watchword.audit_log WHERE position = 1
            """));
    }

    [Fact]
    public async Task What_postgres_cannot_store_in_a_text_does_not_keep_an_event_out()
    {
        await using var trail = await AuditTrail.CreateAsync(postgres);
        await trail.AppendAsync([AuditTrail.Entry(1) with { Actor = "a\0b", Origin = "\0", CorrelationId = "c\0" }]);
        Assert.True((await trail.VerifyAsync()).IsWhole);
        Assert.Equal("a\ufffdb \ufffd c\ufffd", await trail.Database.ScalarAsync<string>("SELECT concat_ws(' ', actor, origin, correlation_id) FROM watchword.audit_log"));
    }

    [Theory]
    [InlineData("UPDATE watchword.audit_log SET actor = 'nobody' WHERE position = 1")]
    [InlineData("DELETE FROM watchword.audit_log")]
    [InlineData("TRUNCATE watchword.audit_log")]
    [InlineData("DELETE FROM watchword.audit_head")]
    [InlineData("INSERT INTO watchword.audit_log SELECT * FROM watchword.audit_log ON CONFLICT (position) DO UPDATE SET actor = 'nobody'")]
    public async Task Nothing_but_appending_is_possible(string sql)
    {
        await using var trail = await AuditTrail.CreateAsync(postgres, rows: 2);
        var refused = await Assert.ThrowsAsync<PostgresException>(() => trail.Database.ExecuteAsync(sql));
        Assert.Contains("is append-only", refused.MessageText, StringComparison.Ordinal);
        Assert.True((await trail.VerifyAsync()).IsWhole);
    }

    [Fact]
    public async Task A_service_that_may_only_execute_the_function_can_append_and_not_write_otherwise()
    {
        await using var trail = await AuditTrail.CreateAsync(postgres, rows: 1);
        var role = "appender_" + Guid.NewGuid().ToString("N");
        await trail.Database.ExecuteAsync($"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA watchword TO {role}");
        await using var database = new TestDatabase(new NpgsqlConnectionStringBuilder(trail.Database.ConnectionString) { Username = role }.ConnectionString);
        await using var appender = new AuditTrail(database);
        await appender.AppendAsync([AuditTrail.Entry(2)]);
        await Assert.ThrowsAsync<PostgresException>(() => database.ExecuteAsync("INSERT INTO watchword.audit_log DEFAULT VALUES"));
        await Assert.ThrowsAsync<PostgresException>(() => database.ExecuteAsync("UPDATE watchword.audit_head SET position = 9"));
        Assert.Equal(2, (await trail.VerifyAsync()).Rows);
    }

    [Fact]
    public async Task A_subscriber_appends_each_event_once_with_what_its_headers_tell()
    {
        await using var trail = await AuditTrail.CreateAsync(postgres);
        await using var host = await SubscriberHost.CreateAsync(nats, trail.Database, ownsDatabase: false);
        await host.StartAsync(s => s.ExactlyOnce().OnAny((context, ct) => AuditLog.AppendAsync(context.Transaction, context, ct), "auth-events", "identity-changes"), "audit-log");
        var headers = new NatsHeaders();
        foreach (var (name, value) in ((string, string)[])[
            (EventHeaders.EventId, "e1"), (EventHeaders.Key, "u1"), (EventHeaders.Actor, "ada"), (EventHeaders.Origin, "crm"),
            (EventHeaders.CorrelationId, "c1"), (EventHeaders.Time, "2026-01-01T00:00:00.123Z")])
            headers.Add(name, value);
        await host.PublishAsync("auth.user.exploded", "not even JSON", headers);
        await host.PublishAsync("auth.user.exploded", "not even JSON", headers);   // as after a lost ack
        await host.PublishAsync("user.sync", """{"data":{"userId":"u2"}}""");
        await host.SettledAsync("auth-events", "audit-log");
        await host.SettledAsync("identity-changes", "audit-log");

        Assert.Equal(["auth-events auth.user.exploded u1 ada crm c1 2026-01-01 00:00:00.123", "identity-changes user.sync u2"], await trail.Database.QueryAsync<string>("""
            SELECT concat_ws(' ', stream, subject, key, actor, origin, correlation_id, CASE WHEN key = 'u1' THEN occurred_at AT TIME ZONE 'UTC' END)
            FROM watchword.audit_log ORDER BY stream
            """));
        Assert.Equal("not even JSON", Encoding.UTF8.GetString(await trail.Database.ScalarAsync<byte[]>("SELECT payload FROM watchword.audit_log WHERE event_id = 'e1'")));
        Assert.True((await trail.VerifyAsync()).IsWhole);
    }
}
