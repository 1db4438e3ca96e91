using System.Net;

namespace Watchword.Tests.Tokens;

/// <summary>Rotation, the grace period for two tabs, and the reuse of a stolen token.</summary>
public class RefreshTests(ServerFixture fixture)
{
    private const string SpentLongAgo = "UPDATE watchword.refresh_token SET spent_at = spent_at - interval '10.5 seconds' WHERE session_id = @SessionId AND spent_at IS NOT NULL";

    [Fact]
    public async Task Tabs_that_refresh_at_once_get_the_same_successor_and_stay_signed_in()
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();

        var answers = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => server.RefreshAsync(person.RefreshToken)));

        Assert.All(answers, a => Assert.Equal(HttpStatusCode.OK, a.Status));
        var successor = Assert.Single(answers.Select(a => a.RefreshToken).Distinct());
        Assert.Single(answers, a => a.Header("Watchword-Version") is not null);   // one rotated, the others wrote nothing
        Assert.Equal(2, await fixture.Identity.ScalarAsync<int>("SELECT count(*) FROM watchword.refresh_token WHERE session_id = @SessionId", person));
        foreach (var answer in answers)
            Assert.Equal(HttpStatusCode.OK, (await server.MeAsync(answer.AccessToken)).Status);
        Assert.Equal(HttpStatusCode.OK, (await server.RefreshAsync(successor)).Status);
    }

    [Fact]
    public async Task A_slow_tab_gets_the_live_end_of_the_chain()
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();
        var second = await server.RefreshAsync(person.RefreshToken);
        Assert.Equal(second.RefreshToken, (await server.RefreshAsync(person.RefreshToken)).RefreshToken);

        var third = await server.RefreshAsync(second.RefreshToken);

        Assert.Equal(third.RefreshToken, (await server.RefreshAsync(person.RefreshToken)).RefreshToken);
        Assert.Equal(third.RefreshToken, (await server.RefreshAsync(second.RefreshToken)).RefreshToken);
    }

    [Fact]
    public async Task A_spent_token_after_the_grace_period_ends_the_session_and_all_its_tokens()
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();
        var other = await server.LoginAsync(person.Email, person.Password);
        var refreshed = await server.RefreshAsync(person.RefreshToken);
        await fixture.Identity.ExecuteAsync(SpentLongAgo, person);

        (await server.RefreshAsync(person.RefreshToken)).AssertInvalidToken();

        (await server.RefreshAsync(refreshed.RefreshToken)).AssertInvalidToken();
        (await server.MeAsync(refreshed.AccessToken)).AssertInvalidToken();
        (await server.MeAsync(person.AccessToken)).AssertInvalidToken();
        Assert.Equal(0, await fixture.Identity.ScalarAsync<int>("SELECT count(*) FROM session WHERE id = @SessionId", person));
        // Another login is another session: it goes on.
        Assert.Equal(HttpStatusCode.OK, (await server.RefreshAsync(other.RefreshToken)).Status);
        var events = await fixture.Account.AuthEventsOfAsync(person.Id, "auth.user.logged_out");
        Assert.Equal(["registered", "logged_in", "token_refreshed", "logged_out"], events.Select(e => e.Subject.Split('.')[2]));
    }

    [Fact]
    public async Task The_grace_period_is_ten_seconds_from_the_first_use_not_the_last()
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();
        await server.RefreshAsync(person.RefreshToken);
        await fixture.Identity.ExecuteAsync("UPDATE watchword.refresh_token SET spent_at = spent_at - interval '6 seconds' WHERE session_id = @SessionId AND spent_at IS NOT NULL", person);
        Assert.Equal(HttpStatusCode.OK, (await server.RefreshAsync(person.RefreshToken)).Status);
        await fixture.Identity.ExecuteAsync("UPDATE watchword.refresh_token SET spent_at = spent_at - interval '6 seconds' WHERE session_id = @SessionId AND spent_at IS NOT NULL", person);
        (await server.RefreshAsync(person.RefreshToken)).AssertInvalidToken();
    }

    [Theory]
    [InlineData("UPDATE watchword.refresh_token SET expires_at = now() WHERE session_id = @SessionId")]
    [InlineData("""UPDATE session SET "expiresAt" = now() WHERE id = @SessionId""")]
    public async Task An_expired_token_gets_Token_expired_and_is_not_rotated(string age)
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();
        await fixture.Identity.ExecuteAsync(age, person);

        (await server.RefreshAsync(person.RefreshToken)).AssertExpired();

        Assert.Equal(1, await fixture.Identity.ScalarAsync<int>("SELECT count(*) FROM watchword.refresh_token WHERE session_id = @SessionId AND spent_at IS NULL", person));
    }

    [Fact]
    public async Task A_refresh_extends_the_session()
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();
        await fixture.Identity.ExecuteAsync("""UPDATE session SET "expiresAt" = now() + interval '1 minute' WHERE id = @SessionId""", person);

        await server.RefreshAsync(person.RefreshToken);

        Assert.InRange(await fixture.Identity.ScalarAsync<double>("""SELECT extract(epoch FROM "expiresAt" - now()) FROM session WHERE id = @SessionId""", person), 604_700, 604_800);
    }

    [Fact]
    public async Task A_concurrent_refresh_and_logout_leave_no_session_behind_and_never_deadlock()
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();
        for (var round = 0; round < 20; round++)
        {
            var login = round == 0 ? (person.AccessToken, person.RefreshToken) : await NewSessionAsync(server, person, round);
            var (refresh, logout) = (server.RefreshAsync(login.RefreshToken), server.LogoutAsync(login.AccessToken));

            Assert.Equal(HttpStatusCode.OK, (await logout).Status);
            Assert.Contains((await refresh).Status, (HttpStatusCode[])[HttpStatusCode.OK, HttpStatusCode.Unauthorized]);
            Assert.Equal(0, await fixture.Identity.ScalarAsync<int>(
                "SELECT (SELECT count(*) FROM session WHERE id = @id) + (SELECT count(*) FROM watchword.refresh_token WHERE session_id = @id)",
                new { id = TokenApiCalls.SessionOf(login.AccessToken) }));
        }
        Assert.Equal(0, await fixture.Identity.ScalarAsync<int>("SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"));
    }

    private static async Task<(string AccessToken, string RefreshToken)> NewSessionAsync(ServerProcess server, Person person, int round)
    {
        var login = await server.LoginAsync(person.Email, person.Password);
        Assert.True(login.Status == HttpStatusCode.OK, $"login {round}: {login.Text}");
        return (login.AccessToken, login.RefreshToken);
    }

    [Fact]
    public async Task Tokens_that_were_never_issued_are_refused()
    {
        var server = await fixture.StartedAsync();
        foreach (var token in (string[])["x", new('x', 43), new('x', 44), new('é', 43), new('x', 4096), "' OR 1=1 --"])
            (await server.RefreshAsync(token)).AssertInvalidToken();
        var person = await server.RegisterAsync();
        (await server.RefreshAsync(person.AccessToken)).AssertInvalidToken();
        (await server.MeAsync(person.RefreshToken)).AssertInvalidToken();
    }
}
