using System.Net;
using System.Text.Json;
using Watchword.Events.Contracts;

namespace Watchword.Tests.Tokens;

/// <summary>The token API as a client uses it.</summary>
public class TokenApiTests(ServerFixture fixture)
{
    private const string Browser = "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101";

    [Fact]
    public async Task A_user_registers_signs_in_refreshes_and_signs_out_and_each_step_leaves_its_event()
    {
        var server = await fixture.StartedAsync();
        var email = TokenApiCalls.NewEmail();

        var registered = await server.PostAsync("/auth/register", new { email, password = "password123", name = "Zoë \"Z\"" }, ("X-Correlation-Id", "walk-1"));
        Assert.Equal(HttpStatusCode.Created, registered.Status);
        Assert.Equal(["accessToken", "refreshToken", "expiresIn", "user", "tokenType"], registered.Json.EnumerateObject().Select(m => m.Name));
        Assert.Equal((900, "Bearer"), (registered.Json.GetProperty("expiresIn").GetInt32(), registered.Json.GetProperty("tokenType").GetString()));
        Assert.Equal("no-store", registered.Header("Cache-Control"));
        var user = registered.Json.GetProperty("user");
        Assert.Equal(["id", "email", "name", "emailVerified", "image", "role", "createdAt", "updatedAt"], user.EnumerateObject().Select(m => m.Name));
        var id = user.GetProperty("id").GetString()!;
        Assert.Matches("^[a-zA-Z0-9]{32}$", id);

        var login = await server.PostAsync("/auth/login", new { email, password = "password123" },
            ("User-Agent", Browser), ("X-Forwarded-For", "203.0.113.7"), ("X-Correlation-Id", "walk-2"));
        Assert.Equal((HttpStatusCode.OK, user.GetRawText()), (login.Status, login.Json.GetProperty("user").GetRawText()));
        Assert.NotEqual(TokenApiCalls.SessionOf(registered.AccessToken), TokenApiCalls.SessionOf(login.AccessToken));

        var me = await server.MeAsync(login.AccessToken);
        Assert.Equal((HttpStatusCode.OK, user.GetRawText()), (me.Status, me.Json.GetProperty("user").GetRawText()));

        var refreshed = await server.RefreshAsync(login.RefreshToken);
        Assert.Equal(HttpStatusCode.OK, refreshed.Status);
        Assert.NotEqual(login.RefreshToken, refreshed.RefreshToken);
        Assert.NotEqual(login.AccessToken, refreshed.AccessToken);

        var loggedOut = await server.LogoutAsync(refreshed.AccessToken);
        Assert.Equal((HttpStatusCode.OK, """{"message":"Logged out"}"""), (loggedOut.Status, loggedOut.Text));
        (await server.MeAsync(refreshed.AccessToken)).AssertInvalidToken();
        (await server.RefreshAsync(refreshed.RefreshToken)).AssertInvalidToken();
        (await server.LogoutAsync(refreshed.AccessToken)).AssertInvalidToken();

        var events = await fixture.Account.AuthEventsOfAsync(id, "auth.user.logged_out");
        Assert.Equal(["auth.user.registered", "auth.user.logged_in", "auth.user.token_refreshed", "auth.user.logged_out"], events.Select(e => e.Subject));
        Assert.All(events, e => Assert.Equal(e.Subject, e.Json.GetProperty("subject").GetString()));
        Assert.Equal(["userId", "email", "name", "timestamp"], Members(events[0].Json));
        Assert.Equal(["userId", "email", "timestamp", "ip", "userAgent"], Members(events[1].Json));
        Assert.Equal(("203.0.113.7", Browser), (Data(events[1].Json, "ip"), Data(events[1].Json, "userAgent")));
        Assert.Equal(["userId", "timestamp"], Members(events[2].Json));
        Assert.Equal(["userId", "timestamp"], Members(events[3].Json));
        Assert.Equal(["walk-1", "walk-2"], events.Take(2).Select(e => Metadata(e.Json, "correlationId")));
        Assert.Equal(refreshed.Header("X-Correlation-Id"), Metadata(events[2].Json, "correlationId"));
        Assert.All(events, e =>
        {
            Assert.Equal(("auth-service", "production"), (Metadata(e.Json, "service"), Metadata(e.Json, "environment")));
            Assert.Equal(e.MessageId, Metadata(e.Json, "eventId"));
            Assert.Equal(1, e.Json.GetProperty("metadata").GetProperty("schemaVersion").GetInt32());
        });
        // Each write answered its version, which is the version of its event.
        Assert.Equal(events.Skip(1).Select(e => e.Headers.Find("Watchword-Version")),
            new[] { login, refreshed, loggedOut }.Select(a => a.Header("Watchword-Version")));
        Assert.Equal(
            await fixture.Identity.ScalarAsync<string>("SELECT version::text FROM watchword.entity_version WHERE kind = 'user' AND id = @id", new { id }),
            registered.Header("Watchword-Version"));
    }

    [Fact]
    public async Task Addresses_are_case_insensitive()
    {
        var server = await fixture.StartedAsync();
        var email = TokenApiCalls.NewEmail();

        var first = await server.PostAsync("/auth/register", new { email = email.ToUpperInvariant(), password = "password123", name = "A" });
        Assert.Equal(email, first.Json.GetProperty("user").GetProperty("email").GetString());

        (await server.PostAsync("/auth/register", new { email, password = "password456", name = "B" }))
            .AssertRefused(HttpStatusCode.Conflict, "Conflict", "Email already exists");
        Assert.Equal(HttpStatusCode.OK, (await server.LoginAsync(email[..5].ToUpperInvariant() + email[5..], "password123")).Status);
    }

    [Fact]
    public async Task Of_twenty_concurrent_registrations_of_one_address_one_succeeds_and_the_others_leave_nothing()
    {
        var server = await fixture.StartedAsync();
        var email = TokenApiCalls.NewEmail();

        var answers = await Task.WhenAll(Enumerable.Range(0, 20).Select(i => server.PostAsync("/auth/register", new { email, password = $"password{i:000}", name = $"N{i}" })));

        var made = Assert.Single(answers, a => a.Status == HttpStatusCode.Created);
        Assert.Equal(19, answers.Count(a => a.Status == HttpStatusCode.Conflict && a.Message == "Email already exists"));
        var id = await fixture.Identity.ScalarAsync<string>("""SELECT id FROM "user" WHERE email = @email""", new { email });
        Assert.Equal(made.Json.GetProperty("user").GetProperty("id").GetString(), id);
        Assert.Equal(1, await fixture.Identity.ScalarAsync<int>(
            "SELECT count(*) FROM watchword.outbox WHERE subject = 'auth.user.registered' AND payload -> 'data' ->> 'email' = @email", new { email }));
        foreach (var orphan in (string[])["""account a WHERE NOT EXISTS (SELECT 1 FROM "user" u WHERE u.id = a."userId")""",
            """watchword.refresh_token t WHERE NOT EXISTS (SELECT 1 FROM session s WHERE s.id = t.session_id)"""])
            Assert.Equal(0, await fixture.Identity.ScalarAsync<int>($"SELECT count(*) FROM {orphan}"));
    }

    [Fact]
    public async Task The_last_login_is_recorded()
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();
        await fixture.Identity.ExecuteAsync("UPDATE watchword.user_login SET last_login_at = 'epoch' WHERE user_id = @Id", person);

        Assert.Equal(HttpStatusCode.OK, (await server.LoginAsync(person.Email, person.Password)).Status);

        Assert.InRange(await fixture.Identity.ScalarAsync<double>("SELECT extract(epoch FROM now() - last_login_at) FROM watchword.user_login WHERE user_id = @Id", person), 0, 60);
    }

    [Fact]
    public async Task An_unknown_address_and_a_wrong_password_get_the_same_answer()
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();

        var wrong = await server.LoginAsync(person.Email, "password124");
        var unknown = await server.LoginAsync(TokenApiCalls.NewEmail(), person.Password);

        wrong.AssertRefused(HttpStatusCode.Unauthorized, "Unauthorized", "Invalid email or password");
        Assert.Equal(wrong.Text, unknown.Text);
        string[] Names(Answer a) => [.. a.Headers.Select(h => h.Key).Order()];
        Assert.Equal(Names(wrong), Names(unknown));
    }

    private static IEnumerable<string> Members(JsonElement e) => e.GetProperty("data").EnumerateObject().Select(m => m.Name);

    private static string? Data(JsonElement e, string name) => e.GetProperty("data").GetProperty(name).GetString();

    private static string? Metadata(JsonElement e, string name) => e.GetProperty("metadata").GetProperty(name).GetString();
}
