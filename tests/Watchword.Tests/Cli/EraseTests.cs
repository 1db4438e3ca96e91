using System.Net;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging.Abstractions;
using Watchword.Events.Outbox;
using Watchword.Tests.Events.Outbox;
using Watchword.Tests.Tokens;

namespace Watchword.Tests.Cli;

/// <summary>Promise 8: forgotten is forgotten, and still provable. <c>audit erase</c> beside a server, user sync, a dead letter and the sample audit log.</summary>
public class EraseTests(PostgresFixture postgres, NatsFixture nats)
{
    private const string Email = EraseWorld.Email;
    private static readonly string[] Traces = [Email, EraseWorld.FormerEmail, EraseWorld.Name, "Lovelace", EraseWorld.Ip, "Difference Engine"];

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_person_is_erased_everywhere_and_the_audit_log_verifies_and_says_so()
    {
        await using var world = await EraseWorld.StartAsync(postgres, nats);
        var (ada, bob) = await world.PopulateAsync();
        var auditPosition = await world.Target.ScalarAsync<long>("SELECT position FROM watchword.audit_head");
        foreach (var place in (string[])["identity", "target", "streams"])
            Assert.True(Holds(await world.TextAsync(place), Email), $"the search finds nothing in {place}, where something is");

        var refused = await world.RunAsync("erase", "--user", ada, "--reason", "request 4711", "--yes");
        Assert.Equal((1, "", $"User {ada} still has an account. Delete it first, or give --with-account to delete it now.\n"), (refused.ExitCode, refused.Output, refused.Errors));
        Assert.Contains(Email, await world.TextAsync("streams"), StringComparison.Ordinal);

        var run = await world.RunAsync("erase", "--user", ada, "--reason", "request 4711", "--with-account", "--yes", "--json");
        Assert.Equal((0, ""), (run.ExitCode, run.Errors));
        var places = JsonDocument.Parse(run.Output).RootElement.GetProperty("places").EnumerateArray().ToDictionary(p => p.GetProperty("place").GetString()!, p => p.GetProperty("count").GetInt64());
        Assert.All((string[])["identity tables", "outbox", "parked events, target database", "stream auth-events", "stream identity-changes", "stream dead-letters", "audit log, target database"],
            place => Assert.True(places[place] > 0, $"nothing was erased from {place}: {run.Output}"));

        // User sync has heard of it, though earlier events of the person had failed there, and so has the audit log.
        await Eventually.TrueAsync(async () => await world.Target.ScalarAsync<long>("SELECT count(*) FROM users WHERE auth_id = @ada AND email IS NULL AND phone IS NULL AND name IS NULL AND NOT is_active AND deleted_at IS NOT NULL", new { ada }) == 1);
        Assert.Equal(0, await world.Target.ScalarAsync<long>("SELECT count(*) FROM watchword.parked_event WHERE key = @ada AND (resolved_at IS NULL OR resolution <> 'erased')", new { ada }));
        await Eventually.TrueAsync(async () => await world.Target.ScalarAsync<long>("SELECT count(*) FROM watchword.audit_log WHERE subject = 'user.erased' AND key = @ada", new { ada }) == 1);
        await world.AuditedAsync();

        // An event that a consumer had in hand meanwhile is erased by a second run, which publishes nothing if there is none.
        Assert.Equal(0, (await world.RunAsync("erase", "--user", ada, "--reason", "request 4711", "--yes")).ExitCode);
        foreach (var place in (string[])["identity", "target", "streams", "log"])
        {
            var text = await world.TextAsync(place);
            foreach (var trace in Traces)
                Assert.False(Holds(text, trace), $"'{trace}' is still in {place}: {Around(text, trace)}");
            Assert.True(place == "log" || text.Contains(bob, StringComparison.Ordinal), $"{place} lost what is not about the person");
        }
        var erasedEvent = Assert.Single(await world.ErasedEventsAsync(ada));
        Assert.Equal(["event", "timestamp", "data", "id", "version", "schemaVersion"], erasedEvent.EnumerateObject().Select(m => m.Name));
        Assert.Equal($$"""{"userId" : "{{ada}}"}""", erasedEvent.GetProperty("data").GetRawText());

        var verified = await world.RunAsync("verify");
        Assert.Equal(0, verified.ExitCode);
        Assert.Matches($@"(?s)^The audit log is intact: \d+ rows\.\n\d+ events of 1 person erased:\n  {ada}: \d+ events, erased on \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\dZ by {Environment.UserName} \(request 4711\)\n.*Head: ", verified.Output);
        Assert.True(await world.Target.ScalarAsync<long>("SELECT position FROM watchword.audit_head") > auditPosition);
        Assert.Equal(HttpStatusCode.OK, (await world.Server.LoginAsync("bob@example.com", "password-of-bob")).Status);
    }

    [Fact]
    public async Task The_audit_of_the_stream_neither_misses_nor_republishes_what_was_erased()
    {
        await using var world = await EraseWorld.StartAsync(postgres, nats);
        var (ada, _) = await world.PopulateAsync();
        await world.RunAsync("erase", "--user", ada, "--reason", "request 4711", "--with-account", "--yes");
        await Eventually.TrueAsync(async () => await world.Identity.ScalarAsync<long>("SELECT count(*) FROM watchword.outbox WHERE published_at IS NULL") == 0);

        // Holes count once the duplicate window has passed.
        await world.Identity.ExecuteAsync("UPDATE watchword.outbox SET published_at = published_at - interval '10 minutes'");
        foreach (var stream in StreamAudit.Audited)
            Assert.Equal((0, 0), await new StreamAudit(world.Identity.Source, world.JetStream, RelayHost.Options, NullLogger.Instance).RunAsync(stream.Name!, Ct) is var result ? (result.Lost, result.Corrected) : default);

        // The outbox does not give it back to a replay either.
        var replay = await CommandRun.RunAsync([.. world.Environment], "events", "replay", "--stream", "auth-events", "--user", ada, "--to-file", "-");
        Assert.DoesNotContain("registered", replay.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_fails_midway_is_repeated_with_the_addresses_that_were_learned_before()
    {
        await using var world = await EraseWorld.StartAsync(postgres, nats);
        var (ada, _) = await world.PopulateAsync();
        // The log cannot be changed: everything before it in the order is erased, and with it what the addresses are learned from.
        await world.Target.ExecuteAsync("CREATE TRIGGER locked BEFORE UPDATE ON watchword.audit_log FOR EACH STATEMENT EXECUTE FUNCTION watchword.refuse_audit_change()");
        var failed = await world.RunAsync("erase", "--user", ada, "--reason", "request 4711", "--with-account", "--yes");
        Assert.Equal(1, failed.ExitCode);
        Assert.Contains("append-only", failed.Errors, StringComparison.Ordinal);
        Assert.Empty(await world.ErasedEventsAsync(ada));
        await world.Target.ExecuteAsync("DROP TRIGGER locked ON watchword.audit_log; SET session_replication_role = replica; DELETE FROM watchword.audit_log WHERE key = '" + ada + "'");
        Assert.Contains(Email, await world.Identity.ScalarAsync<string>("SELECT array_to_string(traces, ' ') FROM watchword.erasure"), StringComparison.Ordinal);

        var run = await world.RunAsync("erase", "--user", ada, "--reason", "request 4711", "--yes");

        Assert.Equal((0, ""), (run.ExitCode, run.Errors));
        // The invitations are known by the address alone.
        Assert.Equal(0, await world.Target.ScalarAsync<long>("SELECT count(*) FROM watchword.audit_log WHERE subject LIKE 'invitation.%' AND convert_from(payload, 'UTF8') NOT LIKE '%eve@example.com%'"));
        Assert.Equal(0, await world.Identity.ScalarAsync<long>("SELECT count(*) FROM watchword.erasure WHERE traces <> '{}' OR completed_at IS NULL"));
        await Eventually.TrueAsync(async () => (await world.ErasedEventsAsync(ada)).Count == 1);
    }

    // bytea is shown in hexadecimal digits.
    private static bool Holds(string text, string trace) =>
        text.Contains(trace, StringComparison.OrdinalIgnoreCase) || text.Contains(Convert.ToHexStringLower(Encoding.UTF8.GetBytes(trace)), StringComparison.Ordinal);

    private static string Around(string text, string trace) =>
        text.IndexOf(trace, StringComparison.OrdinalIgnoreCase) is >= 0 and var at ? text[Math.Max(0, at - 300)..Math.Min(text.Length, at + 100)] : "in hexadecimal digits";
}
