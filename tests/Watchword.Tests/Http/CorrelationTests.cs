using Watchword.Events.Contracts;
using Watchword.Tests.Events.Outbox;
using Watchword.Tests.Tokens;

namespace Watchword.Tests.Http;

/// <summary>Every event names its request, its actor and its origin, and nothing else of the request.</summary>
public class CorrelationTests(ServerFixture fixture)
{
    private const string Trace = "0af7651916cd43dd8448eb211c80319c";

    [Fact]
    public async Task Every_event_of_a_request_carries_its_correlation_trace_actor_and_origin()
    {
        var server = await fixture.StartedAsync();
        var email = TokenApiCalls.NewEmail();
        var run = Guid.NewGuid().ToString("N");
        (string, string)[] Headers(string step) =>
            [("X-Correlation-Id", $"{run}-{step}"), ("traceparent", $"00-{Trace}-b7ad6b7169203331-01"), ("Watchword-Origin", $"crm.{step}_1-a"), ("User-Agent", "corr/1.0")];

        var registered = await server.PostAsync("/auth/register", new { email, password = "password123", name = "Ada" }, Headers("register"));
        var login = await server.PostAsync("/auth/login", new { email, password = "password123" }, Headers("login"));
        var refresh = await server.PostAsync("/auth/refresh", new { refreshToken = login.RefreshToken }, Headers("refresh"));
        var logout = await server.SendAsync(HttpMethod.Post, "/auth/logout", token: refresh.AccessToken, headers: Headers("logout"));
        Assert.Equal([$"{run}-register", $"{run}-login", $"{run}-refresh", $"{run}-logout"],
            new[] { registered, login, refresh, logout }.Select(a => a.Header("X-Correlation-Id")));

        var id = registered.Json.GetProperty("user").GetProperty("id").GetString()!;
        var events = await fixture.Account.AuthEventsOfAsync(id, "auth.user.logged_out");
        Assert.Equal(["registered", "logged_in", "token_refreshed", "logged_out"], events.Select(e => e.Subject["auth.user.".Length..]));
        var steps = new[] { "register", "login", "refresh", "logout" };
        foreach (var (message, step) in events.Zip(steps).Append((await ChangeOfAsync(id), "register")))
        {
            var headers = message.Headers!;
            Assert.Equal(($"{run}-{step}", $"crm.{step}_1-a"), (headers.Find("Watchword-Correlation-Id"), headers.Find("Watchword-Origin")));
            Assert.Matches($"^00-{Trace}-(?!b7ad6b7169203331)[0-9a-f]{{16}}-0[01]$", headers.Find("traceparent")!);   // the request's own span, in the caller's trace
            Assert.Equal(id, headers.Find("Watchword-Actor"));
            Assert.DoesNotContain(headers, h => $"{h.Value}" is var value && (value.Contains("corr/1.0", StringComparison.Ordinal) || value == "127.0.0.1"));
            if (message.Subject != "user.sync")
                Assert.Equal($"{run}-{step}", message.Json.GetProperty("metadata").GetProperty("correlationId").GetString());
        }
        Assert.Equal(["127.0.0.1 corr/1.0"], await fixture.Identity.QueryAsync<string>(
            "SELECT DISTINCT concat_ws(' ', headers ->> 'ip', headers ->> 'userAgent') FROM watchword.outbox WHERE key = @id", new { id }));
    }

    [Theory]
    [InlineData("a", true)]
    [InlineData("Billing_2.eu-west", true)]
    [InlineData("{64}", true)]
    [InlineData("{65}", false)]
    [InlineData("two words", false)]
    [InlineData("a/b", false)]
    [InlineData("umläut", false)]
    [InlineData("", false)]
    public async Task An_origin_that_is_not_a_plain_name_is_ignored(string origin, bool taken)
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();
        origin = origin.Replace("{64}", new string('o', 64), StringComparison.Ordinal).Replace("{65}", new string('o', 65), StringComparison.Ordinal);

        var (status, text) = await RawHttp.PostAsync(server.Port, "/auth/login", $"Watchword-Origin: {origin}\r\n", RawHttp.Login(person));

        Assert.True(status == 200, text);
        var events = await fixture.Account.AuthEventsOfAsync(person.Id, "auth.user.logged_in");
        Assert.Equal(taken ? origin : null, events[^1].Headers.Find("Watchword-Origin"));
    }

    [Theory]
    [InlineData("01-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-extra")]
    [InlineData("|theirs.1.")]
    [InlineData("umläut")]
    [InlineData("{2000}")]
    public async Task A_malformed_traceparent_starts_a_new_trace(string sent)
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();

        var (status, text) = await RawHttp.PostAsync(server.Port, "/auth/login", $"traceparent: {sent.Replace("{2000}", new string('0', 2000), StringComparison.Ordinal)}\r\n", RawHttp.Login(person));

        Assert.True(status == 200, text);
        Assert.Matches("^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$", (await fixture.Account.AuthEventsOfAsync(person.Id, "auth.user.logged_in"))[^1].Headers.Find("traceparent"));
    }

    private async Task<StoredEvent> ChangeOfAsync(string userId)
    {
        await using var nats = await fixture.Account.ConnectAsync();
        var sequence = 0L;
        await Eventually.TrueAsync(async () => (sequence = await fixture.Identity.ScalarAsync<long>(
            "SELECT coalesce(max(stream_seq), 0) FROM watchword.outbox WHERE key = @userId AND subject = 'user.sync' AND published_at IS NOT NULL", new { userId })) > 0);
        var stored = (await nats.GetMessageAsync("identity-changes", (ulong)sequence))!;
        return new(stored.Subject, stored.Sequence, stored.Headers, System.Text.Json.JsonDocument.Parse(stored.Payload).RootElement);
    }
}
