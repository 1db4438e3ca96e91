using System.Diagnostics;
using Watchword.Events.Contracts;

namespace Watchword.Tests.Cli;

/// <summary>What <c>audit erase</c> refuses, and what it leaves alone; without a server.</summary>
public class EraseRefusalTests(PostgresFixture postgres, NatsFixture nats)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    private const string DeletedAda = """
        INSERT INTO "user" (id, name, email, "emailVerified") VALUES ('ada', 'Ada', 'ada@example.com', false), ('bob', 'Bob', 'bob@example.com', false);
        INSERT INTO organization (id, name, slug, "createdAt") VALUES ('acme', 'Acme', 'acme', now());
        INSERT INTO invitation (id, "organizationId", email, status, "expiresAt", "inviterId") VALUES ('i', 'acme', 'ada@example.com', 'pending', now(), 'bob');
        DELETE FROM "user" WHERE id = 'ada';
        """;

    [Theory]
    [InlineData(1, "There is no user nobody, and there never was one: check the id.", "--user", "nobody", "--reason", "x", "--yes")]
    [InlineData(1, "User bob still has an account. Delete it first, or give --with-account", "--user", "bob", "--reason", "x", "--yes")]
    [InlineData(2, "--reason", "--user", "ada", "--yes")]
    [InlineData(2, "--reason is empty", "--user", "ada", "--reason", " ", "--yes")]
    [InlineData(2, "--user", "--reason", "x", "--yes")]
    [InlineData(1, "--audit-database-url", "--user", "ada", "--reason", "x", "--yes", "--audit-database-url", "mysql://x")]
    public async Task What_cannot_be_meant_is_refused(int exitCode, string words, params string[] arguments)
    {
        await using var identity = await postgres.IdentityAsync();
        await identity.ExecuteAsync(DeletedAda);
        var run = await EraseAsync(identity, nats.TakeAccount(), arguments);
        Assert.Equal((exitCode, ""), (run.ExitCode, run.Output));
        Assert.Contains(words, run.Errors, StringComparison.Ordinal);
        Assert.Equal(0, await identity.ScalarAsync<long>("SELECT count(*) FROM watchword.erasure"));
    }

    [Fact]
    public async Task Without_a_terminal_it_wants_to_be_told_that_it_is_meant()
    {
        using var process = Process.Start(new ProcessStartInfo("bash", ["-c", $"dotnet '{Path.Combine(AppContext.BaseDirectory, "Watchword.Server.dll")}' audit erase --user ada --reason x </dev/null"])
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        var errors = await process.StandardError.ReadToEndAsync(Ct);
        await process.WaitForExitAsync(Ct);
        Assert.Equal((2, "This cannot be undone, and nobody is there to ask: give --yes.\n"), (process.ExitCode, errors));
    }

    [Fact]
    public async Task While_the_relay_has_yet_to_publish_an_event_nothing_is_erased_that_it_could_still_bring()
    {
        await using var identity = await postgres.IdentityAsync();
        await identity.ExecuteAsync(DeletedAda);
        var run = await EraseAsync(identity, nats.TakeAccount(), "--user", "ada", "--reason", "x", "--yes");
        Assert.Equal((1, ""), (run.ExitCode, run.Output));
        Assert.StartsWith("5 events about ada are not published yet", run.Errors, StringComparison.Ordinal);
        Assert.Equal(0, await identity.ScalarAsync<long>("SELECT count(*) FROM watchword.outbox WHERE payload::text = '{}'"));
    }

    [Theory]
    [InlineData("eve@example.com", 0)]
    [InlineData("ada@example.com", 1)]
    public async Task An_address_that_is_somebody_else_s_by_now_is_no_trace(string newcomer, int invitations)
    {
        await using var identity = await postgres.IdentityAsync();
        await identity.ExecuteAsync(DeletedAda + $"""INSERT INTO "user" (id, name, email, "emailVerified") VALUES ('new', 'New', '{newcomer}', false);""");
        await identity.ExecuteAsync("""
            UPDATE watchword.outbox SET published_at = now();
            UPDATE watchword.outbox SET headers = '{"actor": "ada", "correlationId": "c", "ip": "203.0.113.7", "userAgent": "Firefox"}' WHERE key = 'bob';
            """);
        await identity.ExecuteAsync("CREATE FUNCTION publish() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN NEW.published_at := now(); RETURN NEW; END'; CREATE TRIGGER publish BEFORE INSERT ON watchword.outbox FOR EACH ROW EXECUTE FUNCTION publish()");

        Assert.Equal(0, (await EraseAsync(identity, nats.TakeAccount(), "--user", "ada", "--reason", "x", "--yes")).ExitCode);

        Assert.Equal(invitations, await identity.ScalarAsync<int>("SELECT count(*) FROM invitation"));
        Assert.Equal(invitations, await identity.ScalarAsync<int>("SELECT count(*) FROM watchword.outbox WHERE subject = 'invitation.created' AND payload::text <> '{}'"));
        Assert.Equal(0, await identity.ScalarAsync<int>("SELECT count(*) FROM watchword.outbox WHERE key = 'ada' AND subject <> 'user.erased' AND payload::text <> '{}'"));
        Assert.Equal(2, await identity.ScalarAsync<int>("SELECT count(*) FROM watchword.outbox WHERE key = 'new' AND payload::text <> '{}'"));
        // What the person caused to others keeps its content, without where it came from.
        Assert.Equal("""{"actor": "ada", "correlationId": "c"}""", await identity.ScalarAsync<string>("SELECT DISTINCT headers::text FROM watchword.outbox WHERE key = 'bob' AND payload::text <> '{}'"));
    }

    private static async Task<CommandRun> EraseAsync(TestDatabase identity, NatsAccount account, params string[] arguments)
    {
        await using var connection = await account.ConnectAsync(Ct);
        foreach (var stream in Streams.All)
            await connection.CreateStreamAsync(stream, Ct);
        return await CommandRun.RunAsync([("DATABASE_URL", identity.ConnectionString), ("NATS_URL", account.Url)], ["audit", "erase", .. arguments]);
    }
}
