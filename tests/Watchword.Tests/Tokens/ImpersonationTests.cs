using System.Net;
using Watchword.Events.Contracts;

namespace Watchword.Tests.Tokens;

/// <summary>What is done in an impersonated session is done by the impersonator, on behalf of the user.</summary>
public class ImpersonationTests(ServerFixture fixture)
{
    [Fact]
    public async Task Events_of_an_impersonated_session_name_both()
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();
        var own = await server.RefreshAsync((await server.LoginAsync(person.Email, person.Password)).RefreshToken);
        await fixture.Identity.ExecuteAsync("""UPDATE session SET "impersonatedBy" = 'the-admin' WHERE id = @SessionId""", new { person.SessionId });

        var refreshed = await server.RefreshAsync(person.RefreshToken);
        Assert.Equal(HttpStatusCode.OK, refreshed.Status);
        Assert.Equal(HttpStatusCode.OK, (await server.LogoutAsync(refreshed.AccessToken)).Status);
        Assert.Equal(HttpStatusCode.OK, (await server.LogoutAsync(own.AccessToken)).Status);

        Assert.Equal(
            ["token_refreshed by the user", "token_refreshed by the-admin for the user", "logged_out by the-admin for the user", "session.revoked by the-admin for the user", "logged_out by the user", "session.revoked by the user"],
            (await fixture.Identity.QueryAsync<string>("""
                SELECT replace(subject, 'auth.user.', '') || ' by ' || (headers ->> 'actor') || coalesce(' for ' || (headers ->> 'onBehalfOf'), '') FROM watchword.outbox
                WHERE key = @Id AND (subject IN ('session.revoked', 'auth.user.logged_out', 'auth.user.token_refreshed')) ORDER BY position
                """, new { person.Id })).ConvertAll(line => line.Replace(person.Id, "the user", StringComparison.Ordinal)));
        var first = (await fixture.Account.AuthEventsOfAsync(person.Id, "auth.user.logged_out"))[^1];
        Assert.Equal(("the-admin", person.Id), (first.Headers.Find(EventHeaders.Actor), first.Headers.Find(EventHeaders.OnBehalfOf)));
    }
}
