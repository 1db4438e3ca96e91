using System.Net;
using System.Text.Json;
using Watchword.Events.Contracts;
using Watchword.Tests.Tokens;

namespace Watchword.Tests.Http;

/// <summary>Unusual, malformed and oversized headers.</summary>
public class HeaderTests(ServerFixture fixture)
{
    [Theory]
    [InlineData("")]
    [InlineData("Authorization:\r\n")]
    [InlineData("Authorization: Bearer\r\n")]
    [InlineData("Authorization: Bearer \r\n")]
    [InlineData("Authorization: Bearer null\r\n")]
    [InlineData("Authorization: Basic YWRhOnBhc3N3b3Jk\r\n")]
    [InlineData("Authorization: {token}\r\n")]
    [InlineData("Authorization: Bearer{token}\r\n")]
    [InlineData("Authorization: Bearer\t{token}\r\n")]
    [InlineData("Authorization: Bearer {token} {token}\r\n")]
    [InlineData("Authorization: Bearer {token},Bearer {token}\r\n")]
    [InlineData("Authorization: Bearer {token}\r\nAuthorization: Bearer {token}\r\n")]
    [InlineData("Authorization: Bearer \"{token}\"\r\n")]
    [InlineData("Authorization: Bearer {token}=\r\n")]
    [InlineData("Authorization: Bearer {token}.\r\n")]
    [InlineData("Authorization: Bearer ..\r\n")]
    [InlineData("Authorization: Bearer éé.éé.éé\r\n")]
    [InlineData("Cookie: token={token}\r\n")]
    public async Task A_request_without_exactly_one_bearer_token_is_401(string headers)
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();
        var (status, text) = await RawHttp.MeAsync(server.Port, headers.Replace("{token}", person.AccessToken, StringComparison.Ordinal));
        Assert.True(status == 401 && text.Contains("""{"error":"Unauthorized","message":"Invalid token"}""", StringComparison.Ordinal), text);
        Assert.Contains("WWW-Authenticate: Bearer", text, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("Authorization: Bearer {token}\r\n")]
    [InlineData("authorization: bearer {token}\r\n")]
    [InlineData("Authorization: BEARER   {token}  \r\n")]
    public async Task The_scheme_is_case_insensitive_and_spaces_around_the_token_are_ignored(string headers)
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();
        Assert.Equal(200, (await RawHttp.MeAsync(server.Port, headers.Replace("{token}", person.AccessToken, StringComparison.Ordinal))).Status);
    }

    [Fact]
    public async Task Very_long_headers_are_a_client_error()
    {
        var server = await fixture.StartedAsync();
        foreach (var length in (int[])[8_000, 9_000, 20_000, 31_000, 40_000, 1_000_000])
            Assert.InRange((await RawHttp.MeAsync(server.Port, $"Authorization: Bearer {new string('a', length)}\r\n")).Status, 400, 499);
        Assert.InRange((await RawHttp.MeAsync(server.Port, string.Concat(Enumerable.Repeat("X-A: b\r\n", 500)))).Status, 400, 499);
        Assert.InRange((await RawHttp.MeAsync(server.Port, "User-Agent: a\0b\r\n")).Status, 400, 499);
    }

    [Fact]
    public async Task A_user_agent_is_cut_to_512_code_units_and_never_within_a_character()
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();
        // At an odd index, so that the cut would fall between the halves of a surrogate pair.
        var agent = "x" + string.Concat(Enumerable.Repeat("😀", 400));

        var (status, text) = await RawHttp.PostAsync(server.Port, "/auth/login", $"User-Agent: {agent}\r\n", RawHttp.Login(person));

        Assert.True(status == 200, text);
        var events = await fixture.Account.AuthEventsOfAsync(person.Id, "auth.user.logged_in");
        Assert.Equal(agent[..511], events[^1].Json.GetProperty("data").GetProperty("userAgent").GetString());
        Assert.Equal(agent[..511], await fixture.Identity.ScalarAsync<string>("""SELECT "userAgent" FROM session WHERE "userId" = @Id ORDER BY "createdAt" DESC LIMIT 1""", person));
    }

    [Theory]
    [InlineData("traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n", "^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-[0-9a-f]{2}$")]
    [InlineData("", "^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$")]
    [InlineData("traceparent: garbage é \"x\"\r\n", "^(00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2})?$")]
    [InlineData("Request-Id: |abc.1.\r\ntraceparent: 00-zz\r\n", "^(00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2})?$")]
    public async Task The_event_continues_the_trace_of_the_request_unless_it_is_malformed(string headers, string expected)
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();

        var (status, text) = await RawHttp.PostAsync(server.Port, "/auth/login", headers, RawHttp.Login(person));

        Assert.True(status == 200, text);
        var events = await fixture.Account.AuthEventsOfAsync(person.Id, "auth.user.logged_in");
        Assert.Matches(expected, events[^1].Headers.Find("traceparent") ?? "");
    }

    [Theory]
    [InlineData("order-66/a:b", true)]
    [InlineData("two words", false)]
    [InlineData("umläut", false)]
    [InlineData("{129}", false)]
    public async Task A_correlation_id_is_kept_if_a_message_header_can_carry_it(string id, bool taken)
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();
        id = id.Replace("{129}", new string('c', 129), StringComparison.Ordinal);

        var (_, text) = await RawHttp.PostAsync(server.Port, "/auth/login", $"X-Correlation-Id: {id}\r\n", RawHttp.Login(person));

        var answered = text.Split("X-Correlation-Id: ")[1].Split('\r')[0];
        Assert.Equal(taken, answered == id);
        var events = await fixture.Account.AuthEventsOfAsync(person.Id, "auth.user.logged_in");
        Assert.Equal(answered, events[^1].Json.GetProperty("metadata").GetProperty("correlationId").GetString());
        Assert.Equal(answered, events[^1].Headers.Find("Watchword-Correlation-Id"));
    }

    [Fact]
    public async Task A_refusal_also_answers_the_correlation_id()
    {
        var server = await fixture.StartedAsync();
        var refused = await server.PostAsync("/auth/login", new { }, ("X-Correlation-Id", "c-400"));
        Assert.Equal((HttpStatusCode.BadRequest, "c-400"), (refused.Status, refused.Header("X-Correlation-Id")));
        Assert.NotNull((await server.SendAsync(HttpMethod.Get, "/nowhere")).Header("X-Correlation-Id"));
    }

    [Theory]
    [InlineData("GET", "/", 404)]
    [InlineData("GET", "/auth", 404)]
    [InlineData("POST", "/auth/registers", 404)]
    [InlineData("POST", "/auth/../../etc/passwd", 404)]
    [InlineData("GET", "/auth/%2e%2e/%ff%fe", 404)]
    [InlineData("GET", "/auth/me/x", 404)]
    [InlineData("GET", "/auth/register", 405)]
    [InlineData("DELETE", "/auth/login", 405)]
    [InlineData("PUT", "/auth/refresh", 405)]
    [InlineData("GET", "/auth/logout", 405)]
    [InlineData("POST", "/auth/me", 405)]
    [InlineData("PATCH", "/auth/me", 405)]
    [InlineData("FOO", "/auth/me", 405)]
    public async Task An_unknown_endpoint_or_method_gets_the_usual_error_body(string method, string path, int status)
    {
        var server = await fixture.StartedAsync();
        var answer = await server.SendAsync(new(method), path);
        Assert.Equal(status, (int)answer.Status);
        Assert.Equal(status == 404 ? "Not Found" : "Method Not Allowed", answer.Json.GetProperty("error").GetString());
        Assert.Equal(JsonValueKind.String, answer.Json.GetProperty("message").ValueKind);
    }
}
