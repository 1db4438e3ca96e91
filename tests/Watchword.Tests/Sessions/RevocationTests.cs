using System.Diagnostics;
using System.Net;
using Watchword.Server.Sessions;
using Watchword.Tests.Tokens;

namespace Watchword.Tests.Sessions;

/// <summary>The tokens of an ended session are refused: at once in this process, within the mirror's bound in others.</summary>
public class RevocationTests(ServerFixture fixture)
{
    [Theory]
    [InlineData("DELETE FROM session WHERE id = @SessionId")]
    [InlineData("""DELETE FROM "user" WHERE id = @Id""")]
    public async Task Deleting_the_row_by_hand_revokes_its_tokens(string sql)
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();

        await fixture.Identity.ExecuteAsync(sql, person);

        (await server.RefreshAsync(person.RefreshToken)).AssertInvalidToken();
        await AssertEndedWithinTheBoundAsync(server, person.AccessToken);
        (await server.LogoutAsync(person.AccessToken)).AssertInvalidToken();
    }

    [Fact]
    public async Task A_deleted_user_is_404_until_the_token_is_refused()
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();
        await fixture.Identity.ExecuteAsync("""DELETE FROM "user" WHERE id = @Id""", person);

        var answer = await server.MeAsync(person.AccessToken);

        if (answer.Status == HttpStatusCode.NotFound)
            answer.AssertRefused(HttpStatusCode.NotFound, "Not Found", "User not found");
        else
            answer.AssertInvalidToken();
        Assert.Equal(HttpStatusCode.Unauthorized, (await server.LoginAsync(person.Email, person.Password)).Status);
    }

    [Fact]
    public async Task Truncate_ends_sessions_like_any_other_statement()
    {
        await using var own = await OwnServerAsync();
        var person = await own.Server.RegisterAsync();
        await own.Identity.ExecuteAsync("TRUNCATE session");
        (await own.Server.RefreshAsync(person.RefreshToken)).AssertInvalidToken();
        await AssertEndedWithinTheBoundAsync(own.Server, person.AccessToken);
    }

    [Fact]
    public async Task A_logout_at_one_server_counts_at_the_other()
    {
        var first = await fixture.StartedAsync();
        await using var second = new ServerProcess(("DATABASE_URL", fixture.Identity.ConnectionString), ("NATS_URL", fixture.Account.Url),
            ("WATCHWORD_ROLES", "api"), ("BETTER_AUTH_URL", $"http://localhost:{first.Port}"));
        await second.StartAsync();
        var person = await first.RegisterAsync();
        var login = await second.LoginAsync(person.Email, person.Password);
        Assert.Equal(HttpStatusCode.OK, (await first.MeAsync(login.AccessToken)).Status);
        Assert.Equal(HttpStatusCode.OK, (await second.MeAsync(person.AccessToken)).Status);

        Assert.Equal(HttpStatusCode.OK, (await first.LogoutAsync(person.AccessToken)).Status);

        await AssertEndedWithinTheBoundAsync(second, person.AccessToken);
        (await second.RefreshAsync(person.RefreshToken)).AssertInvalidToken();
        Assert.Equal(HttpStatusCode.OK, (await second.RefreshAsync(login.RefreshToken)).Status);
    }

    [Fact]
    public async Task A_ban_refuses_login_and_refresh_until_it_expires_and_its_end_leaves_an_event()
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();
        await fixture.Identity.ExecuteAsync("""UPDATE "user" SET banned = true, "banReason" = 'spam', "banExpires" = now() + interval '1 hour' WHERE id = @Id""", person);

        foreach (var refused in (Answer[])[await server.LoginAsync(person.Email, person.Password), await server.RefreshAsync(person.RefreshToken)])
            refused.AssertRefused(HttpStatusCode.Forbidden, "Forbidden", "This account is banned");
        Assert.Equal(HttpStatusCode.Unauthorized, (await server.LoginAsync(person.Email, "wrong-password")).Status);
        // The token was not spent, and no event was written.
        Assert.Equal(1, await fixture.Identity.ScalarAsync<int>("SELECT count(*) FROM watchword.refresh_token WHERE user_id = @Id AND spent_at IS NULL", person));
        Assert.Equal(0, await fixture.Identity.ScalarAsync<int>("SELECT count(*) FROM watchword.outbox WHERE key = @Id AND subject = 'auth.user.token_refreshed'", person));

        await fixture.Identity.ExecuteAsync("""UPDATE "user" SET "banExpires" = now() - interval '1 second' WHERE id = @Id""", person);
        Assert.Equal(HttpStatusCode.OK, (await server.RefreshAsync(person.RefreshToken)).Status);
        Assert.Equal(HttpStatusCode.OK, (await server.LoginAsync(person.Email, person.Password)).Status);
        Assert.Equal("false", await fixture.Identity.ScalarAsync<string>(
            """SELECT concat(banned, "banReason", "banExpires") FROM (SELECT banned::text, "banReason", "banExpires" FROM "user" WHERE id = @Id) u""", person));
        Assert.True(await fixture.Identity.ScalarAsync<bool>(
            "SELECT (payload -> 'data' ->> 'isActive')::boolean FROM watchword.outbox WHERE key = @Id AND subject = 'user.sync' ORDER BY position DESC LIMIT 1", person));
    }

    [Fact]
    public async Task A_ban_without_an_expiry_stays()
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();
        await fixture.Identity.ExecuteAsync("""UPDATE "user" SET banned = true WHERE id = @Id""", person);
        Assert.Equal(HttpStatusCode.Forbidden, (await server.LoginAsync(person.Email, person.Password)).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await server.RefreshAsync(person.RefreshToken)).Status);
    }

    // However slow the machine, no request that starts later than the bound after the end may be accepted.
    private static async Task AssertEndedWithinTheBoundAsync(ServerProcess server, string accessToken)
    {
        var ended = Stopwatch.StartNew();
        await Eventually.TrueAsync(async () =>
        {
            var asked = ended.Elapsed;
            var answer = await server.MeAsync(accessToken);
            if (answer.Status == HttpStatusCode.Unauthorized)
            {
                answer.AssertInvalidToken();
                return true;
            }
            Assert.True(asked < EndedSessions.Bound, $"accepted {asked} after the session ended");
            return false;
        });
    }

    private async Task<OwnServer> OwnServerAsync()
    {
        await fixture.StartedAsync();
        var postgres = await TestContext.Current.GetFixture<PostgresFixture>();
        var identity = await postgres!.IdentityAsync();
        var server = new ServerProcess(("DATABASE_URL", identity.ConnectionString), ("NATS_URL", fixture.Account.Url), ("WATCHWORD_ROLES", "api"));
        await server.StartAsync();
        return new(server, identity);
    }

    private sealed record OwnServer(ServerProcess Server, TestDatabase Identity) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await Server.DisposeAsync();
            await Identity.DisposeAsync();
        }
    }
}
