using System.Text;
using Npgsql;
using Watchword.Auditing;
using Watchword.Events.Erasure;

namespace Watchword.Tests.Auditing;

/// <summary>The audit log forgets a person, and is whole all the same.</summary>
public class AuditErasureTests(PostgresFixture postgres)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private static AuditEntry About(string key, string payload, string correlation = "c") => AuditTrail.Entry(1) with
    {
        EventId = $"{key} {payload.Length}",
        Key = key,
        Payload = Encoding.UTF8.GetBytes(payload),
        CorrelationId = correlation,
    };

    private static readonly AuditEntry[] Events =
    [
        About("ada", """{"data":{"userId":"ada","email":"ada@example.com","name":"Ada"}}"""),
        About("bob", """{"data":{"userId":"bob","email":"bob@example.com","name":"Bob"}}"""),
        About("acme", """{"data":{"organizationId":"acme","email":"ADA@example.com","inviterId":"bob"}}"""),
        About("acme", """{"data":{"memberId":"m","organizationId":"acme","userId":"ada","roles":["owner"]}}"""),
        About("acme", """{"data":{"organizationId":"acme","name":"Acme"}}""", correlation: "mail to ada@example.com"),
        About("acme", """{"data":{"organizationId":"acme","name":"Acme"}}"""),
    ];

    private static async Task<long> EraseAsync(AuditTrail trail, string user = "ada")
    {
        var person = new PersonTraces(user);
        await AuditLogEraser.LearnAsync(trail.Database.Source, person, Ct);
        return await AuditLogEraser.EraseAsync(trail.Database.Source, person, "carol", "request 4711", Ct);
    }

    [Fact]
    public async Task A_person_s_rows_lose_their_content_and_the_log_verifies_and_says_so()
    {
        await using var trail = await AuditTrail.CreateAsync(postgres);
        await trail.AppendAsync(Events);
        var noted = (await trail.VerifyAsync()).Head;

        Assert.Equal(4, await EraseAsync(trail));

        var report = await trail.VerifyAsync(noted);
        Assert.True(report.IsWhole, report.Fault?.Problem);
        Assert.Equal(7, report.Rows);
        var erasure = Assert.Single(report.Erasures);
        Assert.Equal(("ada", 4L, "carol", "request 4711"), (erasure.UserId, erasure.Events, erasure.By, erasure.Reason));
        Assert.InRange(erasure.At, DateTimeOffset.UtcNow.AddMinutes(-5), DateTimeOffset.UtcNow);
        Assert.Equal([2, 6, 7], await trail.Database.QueryAsync<long>("SELECT position FROM watchword.audit_log WHERE payload IS NOT NULL ORDER BY 1"));
        Assert.Equal(0, await trail.Database.ScalarAsync<long>("SELECT count(*) FROM watchword.audit_log l WHERE payload IS NULL AND (salt IS NOT NULL OR correlation_id IS NOT NULL)"));

        // Once more finds nothing, and what comes later is erased on its own.
        Assert.Equal(0, await EraseAsync(trail));
        Assert.Equal(7, (await trail.VerifyAsync()).Rows);
        await trail.AppendAsync([Events[0]]);
        Assert.Equal(1, await EraseAsync(trail));
        Assert.Equal([4, 1], (await trail.VerifyAsync()).Erasures.Select(e => e.Events));
    }

    [Fact]
    public async Task One_content_has_another_commitment_each_time_so_that_nobody_can_guess_it()
    {
        await using var trail = await AuditTrail.CreateAsync(postgres);
        await trail.AppendAsync([Events[0], Events[0]]);
        Assert.Equal((2, 2, 32), await trail.Database.ScalarAsync<int>("SELECT count(DISTINCT commitment) FROM watchword.audit_log") is var commitments
            ? (commitments, await trail.Database.ScalarAsync<int>("SELECT count(DISTINCT salt) FROM watchword.audit_log"), await trail.Database.ScalarAsync<int>("SELECT min(length(salt)) FROM watchword.audit_log")) : default);
    }

    [Theory]
    [InlineData("UPDATE watchword.audit_log SET payload = '' WHERE position = 1")]
    [InlineData("UPDATE watchword.audit_log SET payload = NULL WHERE position = 1")]
    [InlineData("UPDATE watchword.audit_log SET salt = NULL, payload = NULL, correlation_id = NULL, actor = 'nobody' WHERE position = 1")]
    [InlineData("UPDATE watchword.audit_log SET salt = '', payload = '' WHERE position = 1")]
    public async Task No_other_update_is_possible(string sql)
    {
        await using var trail = await AuditTrail.CreateAsync(postgres, rows: 2);
        var refused = await Assert.ThrowsAsync<PostgresException>(() => trail.Database.ExecuteAsync(sql));
        Assert.Contains("is append-only: UPDATE is refused", refused.MessageText, StringComparison.Ordinal);
        Assert.True((await trail.VerifyAsync()).IsWhole);
    }

    [Fact]
    public async Task What_nobody_recorded_is_not_an_erasure()
    {
        await using var trail = await AuditTrail.CreateAsync(postgres);
        await trail.AppendAsync(Events);
        await trail.Database.ExecuteAsync("UPDATE watchword.audit_log SET salt = NULL, payload = NULL, correlation_id = NULL WHERE position = 2");
        await EraseAsync(trail);
        var fault = (await trail.VerifyAsync()).Fault;
        Assert.Equal((AuditFaultKind.Unrecorded, 2L, Events[1].EventId), (fault!.Kind, fault.Position, fault.EventId));
    }

    [Theory]
    [InlineData("UPDATE watchword.audit_log SET commitment = sha256('x') WHERE position = 1", AuditFaultKind.Changed, 1)]
    [InlineData("UPDATE watchword.audit_log SET actor = 'nobody' WHERE position = 1", AuditFaultKind.Changed, 1)]
    // The one who erased, the reason or the rows of an erasure.
    [InlineData("UPDATE watchword.audit_log SET payload = convert_to(replace(convert_from(payload, 'UTF8'), 'carol', 'nobody'), 'UTF8') WHERE position = 7", AuditFaultKind.Changed, 7)]
    // Half of it, by somebody who drops the constraint.
    [InlineData("ALTER TABLE watchword.audit_log DROP CONSTRAINT audit_log_check; UPDATE watchword.audit_log SET payload = NULL WHERE position = 2", AuditFaultKind.Changed, 2)]
    // The record of an erasure cannot be erased in turn.
    [InlineData("UPDATE watchword.audit_log SET salt = NULL, payload = NULL, correlation_id = NULL WHERE position = 7", AuditFaultKind.Unrecorded, 1)]
    public async Task What_is_left_of_an_erasure_is_as_safe_as_the_rest(string sql, AuditFaultKind kind, long position)
    {
        await using var trail = await AuditTrail.CreateAsync(postgres);
        await trail.AppendAsync(Events);
        await EraseAsync(trail);
        await trail.TamperAsync(sql);
        var fault = (await trail.VerifyAsync()).Fault;
        Assert.Equal((kind, position), (fault!.Kind, fault.Position));
    }
}
