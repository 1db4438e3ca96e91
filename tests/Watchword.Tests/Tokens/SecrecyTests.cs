using System.Text;

namespace Watchword.Tests.Tokens;

/// <summary>No password, hash or token is in an event, a stream or the log.</summary>
public class SecrecyTests(ServerFixture fixture)
{
    [Fact]
    public async Task No_secret_is_in_the_outbox_the_streams_or_the_log()
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync("Sesame-öffne-dich-7f3a");
        var login = await server.LoginAsync(person.Email, person.Password);
        await server.LoginAsync(person.Email, "Wrong-Sesame-91c2");
        await server.PostAsync("/auth/register", new { email = person.Email, password = "Again-Sesame-55d0", name = "A" });
        await server.PostTextAsync("/auth/login", $$"""{"email":"{{person.Email}}","password":"Broken-Sesame-aa10""");
        var refreshed = await server.RefreshAsync(login.RefreshToken);
        await server.MeAsync(refreshed.AccessToken + "x");
        await server.LogoutAsync(refreshed.AccessToken);
        await fixture.Account.AuthEventsOfAsync(person.Id, "auth.user.logged_out");

        var hash = await fixture.Identity.ScalarAsync<string>("""SELECT password FROM account WHERE "userId" = @Id""", person);
        var session = await fixture.Identity.ScalarAsync<string>("SELECT token FROM session WHERE id = @SessionId", person);
        string[] secrets =
        [
            person.Password, "ffne-dich-7f3a", "Sesame-91c2", "Sesame-55d0", "Sesame-aa10", hash, hash.Split(':')[0], hash.Split(':')[1], session,
            person.AccessToken, person.RefreshToken, login.AccessToken, login.RefreshToken, refreshed.AccessToken, refreshed.RefreshToken,
            person.AccessToken.Split('.')[2], refreshed.AccessToken.Split('.')[2], ServerProcess.Secret,
        ];
        var outbox = string.Join('\n', await fixture.Identity.QueryAsync<string>("SELECT concat(payload, headers, key) FROM watchword.outbox"));
        var streams = await StreamAsync("auth-events") + await StreamAsync("identity-changes");
        var places = new Dictionary<string, string> { ["outbox"] = outbox, ["streams"] = streams, ["log"] = server.Output };
        Assert.All((string[])["outbox", "streams"], place => Assert.Contains(person.Id, places[place], StringComparison.Ordinal));
        foreach (var (place, text) in places)
            foreach (var secret in secrets)
                Assert.False(text.Contains(secret, StringComparison.Ordinal), $"{secret[..Math.Min(8, secret.Length)]}… stands in the {place}");

        // Nor in the database, which holds the hash alone.
        Assert.Equal(0, await fixture.Identity.ScalarAsync<int>("SELECT count(*) FROM watchword.refresh_token WHERE hash = convert_to(@RefreshToken, 'UTF8')", person));
        Assert.Equal(32, await fixture.Identity.ScalarAsync<int>("SELECT length(hash) FROM watchword.refresh_token WHERE session_id = @SessionId", person));
    }

    private async Task<string> StreamAsync(string stream)
    {
        await using var nats = await fixture.Account.ConnectAsync(TestContext.Current.CancellationToken);
        var text = new StringBuilder();
        foreach (var message in await nats.ReadAllAsync(stream))
        {
            text.AppendLine(Encoding.UTF8.GetString(message.Payload));
            foreach (var (name, value) in message.Headers ?? [])
                text.Append(name).Append(": ").AppendLine(value);
        }
        return text.ToString();
    }
}
