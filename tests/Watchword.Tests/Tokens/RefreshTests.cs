using System.Net;

namespace Watchword.Tests.Tokens;

/// <summary>Rotation, the answer that was lost, and the reuse of a stolen token.</summary>
public class RefreshTests(ServerFixture fixture)
{
    // As if so much time had passed since everything that has happened to the session.
    private const string Later = """
        WITH tokens AS (
          UPDATE watchword.refresh_token SET issued_at = issued_at - @time, spent_at = spent_at - @time, expires_at = expires_at - @time WHERE session_id = @SessionId)
        UPDATE session SET "expiresAt" = "expiresAt" - @time WHERE id = @SessionId
        """;

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
    public async Task A_client_whose_answer_was_lost_gets_the_same_successor_however_late()
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();
        var lost = await server.RefreshAsync(person.RefreshToken);
        // Issued for seven days; the token that it replaces was issued as long before.
        await LaterAsync(person, TimeSpan.FromDays(6));
        var late = await server.RefreshAsync(person.RefreshToken);
        Assert.Equal((HttpStatusCode.OK, lost.RefreshToken, null), (late.Status, late.RefreshToken, late.Header("Watchword-Version")));
        Assert.Equal(HttpStatusCode.OK, (await server.MeAsync(late.AccessToken)).Status);

        var third = await server.RefreshAsync(late.RefreshToken);
        Assert.Equal(HttpStatusCode.OK, third.Status);
        await LaterAsync(person, TimeSpan.FromDays(6));
        Assert.Equal(third.RefreshToken, (await server.RefreshAsync(late.RefreshToken)).RefreshToken);
    }

    [Fact]
    public async Task A_spent_token_is_good_for_its_successor_after_its_own_expiry_and_expires_with_it()
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();
        await LaterAsync(person, TimeSpan.FromDays(6));
        var successor = await server.RefreshAsync(person.RefreshToken);
        await LaterAsync(person, TimeSpan.FromDays(5));   // eleven after the first was issued
        Assert.Equal(successor.RefreshToken, (await server.RefreshAsync(person.RefreshToken)).RefreshToken);

        await LaterAsync(person, TimeSpan.FromDays(2.1));   // presenting it has extended nothing
        (await server.RefreshAsync(person.RefreshToken)).AssertExpired();
        (await server.RefreshAsync(successor.RefreshToken)).AssertExpired();
    }

    [Fact]
    public async Task A_slow_tab_gets_a_successor_that_was_used_and_with_it_the_next()
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();
        var second = await server.RefreshAsync(person.RefreshToken);
        var third = await server.RefreshAsync(second.RefreshToken);

        var slow = await server.RefreshAsync(person.RefreshToken);

        Assert.Equal(second.RefreshToken, slow.RefreshToken);
        await LaterAsync(person, TimeSpan.FromHours(1));
        Assert.Equal(third.RefreshToken, (await server.RefreshAsync(slow.RefreshToken)).RefreshToken);
    }

    [Fact]
    public async Task A_spent_token_whose_successor_was_used_ends_the_session_and_all_its_tokens()
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();
        var other = await server.LoginAsync(person.Email, person.Password);
        var second = await server.RefreshAsync(person.RefreshToken);
        var third = await server.RefreshAsync(second.RefreshToken);
        await LaterAsync(person, TimeSpan.FromSeconds(10.5));

        (await server.RefreshAsync(person.RefreshToken)).AssertInvalidToken();

        (await server.RefreshAsync(second.RefreshToken)).AssertInvalidToken();
        (await server.RefreshAsync(third.RefreshToken)).AssertInvalidToken();
        (await server.MeAsync(third.AccessToken)).AssertInvalidToken();
        (await server.MeAsync(person.AccessToken)).AssertInvalidToken();
        Assert.Equal(0, await fixture.Identity.ScalarAsync<int>("SELECT count(*) FROM session WHERE id = @SessionId", person));
        // Another login is another session: it goes on.
        Assert.Equal(HttpStatusCode.OK, (await server.RefreshAsync(other.RefreshToken)).Status);
        var events = await fixture.Account.AuthEventsOfAsync(person.Id, "auth.user.logged_out");
        Assert.Equal(["registered", "logged_in", "token_refreshed", "token_refreshed", "logged_out"], events.Select(e => e.Subject.Split('.')[2]));
    }

    [Fact]
    public async Task An_older_ancestor_ends_the_session_although_the_newest_token_is_unused()
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();
        var second = await server.RefreshAsync(person.RefreshToken);
        await LaterAsync(person, TimeSpan.FromHours(1));
        var third = await server.RefreshAsync(second.RefreshToken);
        var fourth = await server.RefreshAsync(third.RefreshToken);
        await LaterAsync(person, TimeSpan.FromSeconds(10.5));

        (await server.RefreshAsync(person.RefreshToken)).AssertInvalidToken();

        (await server.RefreshAsync(fourth.RefreshToken)).AssertInvalidToken();
    }

    [Fact]
    public async Task The_grace_period_is_ten_seconds_from_the_successor_s_first_use_not_from_its_last()
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();
        var second = await server.RefreshAsync(person.RefreshToken);
        await server.RefreshAsync(second.RefreshToken);
        await LaterAsync(person, TimeSpan.FromSeconds(6));
        Assert.Equal(HttpStatusCode.OK, (await server.RefreshAsync(second.RefreshToken)).Status);
        Assert.Equal(second.RefreshToken, (await server.RefreshAsync(person.RefreshToken)).RefreshToken);
        await LaterAsync(person, TimeSpan.FromSeconds(6));
        (await server.RefreshAsync(person.RefreshToken)).AssertInvalidToken();
    }

    private Task<int> LaterAsync(Person person, TimeSpan time) => fixture.Identity.ExecuteAsync(Later, new { time, person.SessionId });

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
