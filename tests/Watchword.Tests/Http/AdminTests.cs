using System.Net;
using System.Text.Json;
using NATS.Client.JetStream.Models;
using Watchword.Tests.Tokens;

namespace Watchword.Tests.Http;

/// <summary>Events over HTTP: what administrators can do, and that nobody else can.</summary>
public class AdminTests(ServerFixture fixture)
{
    private static readonly (HttpMethod Method, string Path)[] Doors =
        [(HttpMethod.Post, "/admin/events/replay"), (HttpMethod.Get, "/admin/events?stream=auth-events"), (HttpMethod.Get, "/admin/streams"), (HttpMethod.Get, "/admin/consumers")];

    [Fact]
    public async Task Only_administrators_are_let_in()
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();

        foreach (var (method, path) in Doors)
        {
            (await server.SendAsync(method, path, Body(method))).AssertInvalidToken();
            (await server.SendAsync(method, path, Body(method), token: person.AccessToken + "x")).AssertInvalidToken();
            (await server.SendAsync(method, path, Body(method), token: person.AccessToken)).AssertRefused(HttpStatusCode.Forbidden, "Forbidden", "Insufficient permissions");
        }
    }

    [Theory]
    [InlineData("admin", true)]
    [InlineData("user,admin", true)]
    [InlineData("user, admin", true)]
    [InlineData("administrator", false)]
    [InlineData("Admin", false)]
    [InlineData("user", false)]
    [InlineData(null, false)]
    public async Task The_role_in_the_user_row_decides(string? role, bool allowed)
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();
        await fixture.Identity.ExecuteAsync("""UPDATE "user" SET role = @role WHERE id = @Id""", new { role, person.Id });

        var answer = await server.SendAsync(HttpMethod.Get, "/admin/streams", token: person.AccessToken);

        Assert.Equal(allowed ? HttpStatusCode.OK : HttpStatusCode.Forbidden, answer.Status);
    }

    [Theory]
    [InlineData("""UPDATE "user" SET role = 'user' WHERE id = @Id""")]
    [InlineData("""UPDATE "user" SET banned = true WHERE id = @Id""")]
    public async Task A_demotion_or_a_ban_counts_at_once(string sql)
    {
        var (server, admin) = await AdminAsync();
        await fixture.Identity.ExecuteAsync(sql, admin);

        var answer = await server.SendAsync(HttpMethod.Get, "/admin/streams", token: admin.AccessToken);

        answer.AssertRefused(HttpStatusCode.Forbidden, "Forbidden", "Insufficient permissions");
    }

    [Fact]
    public async Task A_replay_reaches_the_official_client_with_its_replay_id_and_is_logged()
    {
        var (server, admin) = await AdminAsync();
        await using var nats = await fixture.Account.ConnectAsync();
        var copies = "copies-" + Guid.NewGuid().ToString("N");
        await nats.CreateStreamAsync(new() { Name = copies, Subjects = [copies + ".>"] });
        await PublishedAsync(server, admin);

        var answer = await ReplayAsync(server, admin, new { stream = "auth-events", user = admin.Id, type = "auth.user.registered", since = "1h", to = new { subject = copies + ".>" } });
        var output = await Node.RunAsync("replayed.mjs", JsonSerializer.Serialize(new { nats = fixture.Account.Url, stream = copies, count = 1 }));

        Assert.Equal(HttpStatusCode.OK, answer.Status);
        Assert.Equal((1, 1, 0), (answer.Json.GetProperty("events").GetInt32(), answer.Json.GetProperty("fromStream").GetInt32(), answer.Json.GetProperty("fromOutbox").GetInt32()));
        var id = answer.Json.GetProperty("replayId").GetString()!;
        var message = JsonDocument.Parse(output).RootElement[0];
        Assert.Equal(id, message.GetProperty("headers").GetProperty("Watchword-Replay").GetString());
        Assert.Equal(admin.Email, message.GetProperty("event").GetProperty("data").GetProperty("email").GetString());
        await Eventually.TrueAsync(() => server.Output.Split('\n').Count(l => l.Contains(id, StringComparison.Ordinal) && l.Contains(admin.Id, StringComparison.Ordinal)) == 2);
    }

    [Fact]
    public async Task Streams_and_consumers_are_shown()
    {
        var (server, admin) = await AdminAsync();
        await PublishedAsync(server, admin);
        var name = "c-" + Guid.NewGuid().ToString("N");

        await using var nats = await fixture.Account.ConnectAsync();
        await nats.CreateConsumerAsync("auth-events", new() { DurableName = name }, TestContext.Current.CancellationToken);
        var consumers = await server.SendAsync(HttpMethod.Get, "/admin/consumers", token: admin.AccessToken);
        var streams = await server.SendAsync(HttpMethod.Get, "/admin/streams", token: admin.AccessToken);

        var made = Assert.Single(consumers.Json.EnumerateArray(), c => c.GetProperty("name").GetString() == name);
        Assert.True(made.GetProperty("pending").GetInt32() > 0);
        Assert.Superset(new HashSet<string> { "auth-events", "dead-letters", "identity-changes" }, streams.Json.EnumerateArray().Select(s => s.GetProperty("name").GetString()!).ToHashSet());
    }

    [Fact]
    public async Task Events_are_downloaded_as_lines()
    {
        var (server, admin) = await AdminAsync();
        await PublishedAsync(server, admin);

        using var request = new HttpRequestMessage(HttpMethod.Get, $"/admin/events?stream=auth-events&user={admin.Id}&since=1h") { Headers = { Authorization = new("Bearer", admin.AccessToken) } };
        using var answer = await server.Http.SendAsync(request);
        var lines = (await answer.Content.ReadAsStringAsync()).Split('\n', StringSplitOptions.RemoveEmptyEntries);

        Assert.Equal("application/x-ndjson", answer.Content.Headers.ContentType!.MediaType);
        Assert.Equal((admin.Id, "auth.user.registered"), (JsonDocument.Parse(lines[0]).RootElement.GetProperty("key").GetString(), JsonDocument.Parse(lines[0]).RootElement.GetProperty("subject").GetString()));
        var none = await server.SendAsync(HttpMethod.Get, "/admin/events?stream=auth-events&user=nobody", token: admin.AccessToken);
        Assert.Equal((HttpStatusCode.OK, ""), (none.Status, none.Text));
    }

    [Theory]
    [InlineData("""{"stream":"nowhere","to":{"subject":"x"}}""", "stream")]
    [InlineData("""{"to":{"subject":"x"}}""", "stream")]
    [InlineData("""{"stream":"auth-events"}""", "to")]
    [InlineData("""{"stream":"auth-events","to":"x"}""", "to")]
    [InlineData("""{"stream":"auth-events","to":{}}""", "to.subject")]
    [InlineData("""{"stream":"auth-events","to":{"subject":"x","consumer":"y"}}""", "to.consumer")]
    [InlineData("""{"stream":"auth-events","to":{"subject":7}}""", "to.subject")]
    [InlineData("""{"stream":"auth-events","to":{"subject":"auth.user.x"}}""", "to.subject")]
    [InlineData("""{"stream":"auth-events","fromSequence":0,"to":{"subject":"x"}}""", "fromSequence")]
    [InlineData("""{"stream":"auth-events","fromSequence":-1,"to":{"subject":"x"}}""", "fromSequence")]
    [InlineData("""{"stream":"auth-events","toSequence":"7","to":{"subject":"x"}}""", "toSequence")]
    [InlineData("""{"stream":"auth-events","toSequence":1.5,"to":{"subject":"x"}}""", "toSequence")]
    [InlineData("""{"stream":"auth-events","since":"yesterday","to":{"subject":"x"}}""", "since")]
    [InlineData("""{"stream":"auth-events","until":"2999-01-01T00:00:00Z","to":{"subject":"x"}}""", "until")]
    [InlineData("""{"stream":"auth-events","type":"auth.user.unheard_of","to":{"subject":"x"}}""", "type")]
    [InlineData("""{"stream":"auth-events","to":{"\ud800":"x"}}""", "to")]
    [InlineData("""{"stream":"auth-events","formSequence":3,"to":{"subject":"x"}}""", "formSequence")]
    [InlineData("""{"stream":"auth-events","user":null,"to":{"subject":"x"}}""", "user")]
    [InlineData("""{"stream":"auth-events","to":{"subject":"x","force":true}}""", "to.force")]
    [InlineData("""{"stream":"auth-events","since":"03/04/2026","to":{"subject":"x"}}""", "since")]
    public async Task A_fault_names_its_field(string body, string field)
    {
        var (server, admin) = await AdminAsync();
        await PublishedAsync(server, admin);

        var answer = await server.SendAsync(HttpMethod.Post, "/admin/events/replay", TokenApiCalls.JsonContent(body), admin.AccessToken);

        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        Assert.Equal(field, Assert.Single(answer.Json.GetProperty("fields").EnumerateObject()).Name);
    }

    [Fact]
    public async Task Error_texts_do_not_recommend_options_of_the_command_line()
    {
        var (server, admin) = await AdminAsync();
        await PublishedAsync(server, admin);

        var answer = await ReplayAsync(server, admin, new { stream = "auth-events", to = new { subject = "auth.user.x" } });

        Assert.Equal("is 'auth.user.x', which belongs to stream auth-events: its readers would take the replay for new events. Choose another subject, such as replay.>",
            answer.Json.GetProperty("fields").GetProperty("to.subject").GetString());
    }

    [Theory]
    [InlineData("", "stream")]
    [InlineData("stream=auth-events&fromSequence=x", "fromSequence")]
    [InlineData("stream=auth-events&fromSequence=0", "fromSequence")]
    [InlineData("stream=auth-events&since=soon", "since")]
    [InlineData("stream=auth-events&user=%00", "user")]
    [InlineData("stream=auth-events&form=1", "form")]
    [InlineData("stream=", "stream")]
    [InlineData("stream=auth-events&user=", "user")]
    [InlineData("stream=auth-events&user=a&user=b", "user")]
    public async Task A_fault_in_a_query_names_its_field(string query, string field)
    {
        var (server, admin) = await AdminAsync();

        var answer = await server.SendAsync(HttpMethod.Get, "/admin/events?" + query, token: admin.AccessToken);

        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        Assert.Equal(field, Assert.Single(answer.Json.GetProperty("fields").EnumerateObject()).Name);
    }

    [Fact]
    public async Task A_replay_that_stops_halfway_answers_502_and_the_sequence_to_continue_from()
    {
        var (server, admin) = await AdminAsync();
        await using var nats = await fixture.Account.ConnectAsync();
        var name = "small-" + Guid.NewGuid().ToString("N");
        await nats.CreateStreamAsync(new() { Name = name, Subjects = [name], MaxMsgs = 1, Discard = StreamConfigDiscard.New });
        await PublishedAsync(server, admin);
        await PublishedAsync(server, await server.RegisterAsync());

        var answer = await ReplayAsync(server, admin, new { stream = "auth-events", type = "auth.user.registered", since = "1h", to = new { subject = name } });

        Assert.Equal((HttpStatusCode.BadGateway, null), (answer.Status, answer.Header("Retry-After")));
        Assert.Matches("^The replay stopped: .* Continue from sequence [0-9]+: all events before it were published.$", answer.Message);
        Assert.Equal(1, (await nats.FindStreamAsync(name))!.State.Messages);
    }

    private static ByteArrayContent? Body(HttpMethod method) => method == HttpMethod.Post ? TokenApiCalls.JsonContent("""{"stream":"auth-events","to":{"subject":"x"}}""") : null;

    private static Task<Answer> ReplayAsync(ServerProcess server, Person admin, object body) =>
        server.SendAsync(HttpMethod.Post, "/admin/events/replay", TokenApiCalls.JsonContent(JsonSerializer.Serialize(body)), admin.AccessToken);

    private async Task<(ServerProcess Server, Person Admin)> AdminAsync()
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();
        await fixture.Identity.ExecuteAsync("""UPDATE "user" SET role = 'admin' WHERE id = @Id""", person);
        return (server, person);
    }

    /// <summary>Waits until every event of this user was published.</summary>
    private async Task PublishedAsync(ServerProcess server, Person person)
    {
        Assert.Equal(HttpStatusCode.OK, (await server.MeAsync(person.AccessToken)).Status);
        await Eventually.TrueAsync(async () => await fixture.Identity.ScalarAsync<long>("SELECT count(*) FROM watchword.outbox WHERE key = @Id AND published_at IS NULL", person) == 0);
    }
}
