using System.Net;
using Watchword.Tests.Cli;
using Watchword.Tests.Tokens;

namespace Watchword.Tests.Http;

/// <summary>Dead letters over HTTP: what administrators can do, and that nobody else can.</summary>
public class DeadLetterAdminTests(ServerFixture fixture)
{
    private const string Root = "/admin/dead-letters";

    [Fact]
    public async Task Only_administrators_are_let_in()
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();

        foreach (var (method, path) in ((HttpMethod, string)[])[(HttpMethod.Get, Root), (HttpMethod.Get, Root + "/1"), (HttpMethod.Post, Root + "/redrive"), (HttpMethod.Post, Root + "/1/discard")])
        {
            (await server.SendAsync(method, path)).AssertInvalidToken();
            (await server.SendAsync(method, path, token: person.AccessToken)).AssertRefused(HttpStatusCode.Forbidden, "Forbidden", "Insufficient permissions");
        }
    }

    [Fact]
    public async Task Dead_letters_are_listed_shown_and_redriven_once_and_the_administrator_is_recorded()
    {
        var (server, admin) = await AdminAsync();
        await using var user = await RefusedUser.CreateAsync(fixture);

        var list = await GetAsync($"?consumer={user.Consumer}&key={user.Key}");
        var listed = Assert.Single(list.Json.EnumerateArray());
        Assert.Equal("1", list.Header("X-Total-Count"));
        Assert.Equal((user.Letter.Id, 2), (listed.GetProperty("id").GetInt64(), listed.GetProperty("waiting").GetInt32()));
        Assert.Empty((await GetAsync($"?consumer=nobody&key={user.Key}")).Json.EnumerateArray());
        var shown = (await GetAsync($"/{user.Letter.Id}")).Json;
        Assert.Equal(("failed", 2), (shown.GetProperty("state").GetString(), shown.GetProperty("behind").GetArrayLength()));
        Assert.Contains("\"name\":\"n1\"", shown.GetProperty("payload").GetString(), StringComparison.Ordinal);

        user.Heal();
        var body = $$"""{"consumer":"{{user.Consumer}}","key":"{{user.Key}}"}""";
        var asked = await PostAsync("/redrive", body);
        Assert.Equal((HttpStatusCode.Accepted, user.Letter.Id), (asked.Status, Assert.Single(asked.Json.EnumerateArray()).GetProperty("id").GetInt64()));
        await Eventually.TrueAsync(() => user.Name == "n3");
        await Eventually.TrueAsync(async () => (await user.Letters.FindAsync(user.Letter.Id))!.State == "redriven");
        var again = await PostAsync("/redrive", body);
        Assert.Equal(HttpStatusCode.Conflict, again.Status);
        Assert.StartsWith($"Dead letter {user.Letter.Id} was redriven already", again.Message, StringComparison.Ordinal);
        Assert.Equal([admin.Id + " redrive "], await user.ActionsAsync());

        Task<Answer> GetAsync(string path) => server.SendAsync(HttpMethod.Get, Root + path, token: admin.AccessToken);
        Task<Answer> PostAsync(string path, string json) => server.SendAsync(HttpMethod.Post, Root + path, TokenApiCalls.JsonContent(json), admin.AccessToken);
    }

    [Fact]
    public async Task A_discard_happens_once_and_records_its_reason()
    {
        var (server, admin) = await AdminAsync();
        await using var user = await RefusedUser.CreateAsync(fixture);
        user.Heal();

        foreach (var fault in (string[])["{}", """{"reason":" "}""", """{"reason":"a test account","resaon":""}"""])
            Assert.Equal(HttpStatusCode.BadRequest, (await DiscardAsync(fault)).Status);
        Assert.Equal(HttpStatusCode.NoContent, (await DiscardAsync("""{"reason":"a test account"}""")).Status);
        await Eventually.TrueAsync(() => user.Name == "n3");
        var again = await DiscardAsync("""{"reason":"once more"}""");
        Assert.Equal(HttpStatusCode.Conflict, again.Status);
        Assert.EndsWith(": a test account", again.Message, StringComparison.Ordinal);
        Assert.Equal([admin.Id + " discard a test account"], await user.ActionsAsync());

        Task<Answer> DiscardAsync(string json) => server.SendAsync(HttpMethod.Post, $"{Root}/{user.Letter.Id}/discard", TokenApiCalls.JsonContent(json), admin.AccessToken);
    }

    [Theory]
    [InlineData("{}", HttpStatusCode.BadRequest)]
    [InlineData("""{"consumer":"user-sync","id":7}""", HttpStatusCode.BadRequest)]
    [InlineData("""{"id":"7"}""", HttpStatusCode.BadRequest)]
    [InlineData("""{"id":999999999}""", HttpStatusCode.Conflict)]
    [InlineData("""{"consumer":"user-sync","kye":"ada"}""", HttpStatusCode.BadRequest)]
    [InlineData("""{"consumer":"user-sync","key":null}""", HttpStatusCode.BadRequest)]
    [InlineData("""{"id":18446744073709551615}""", HttpStatusCode.BadRequest)]
    [InlineData("""{"consumer":"nobody"}""", HttpStatusCode.Conflict)]
    public async Task A_redrive_of_nothing_is_refused(string json, HttpStatusCode status)
    {
        var (server, admin) = await AdminAsync();

        var answer = await server.SendAsync(HttpMethod.Post, Root + "/redrive", TokenApiCalls.JsonContent(json), admin.AccessToken);

        Assert.Equal(status, answer.Status);
    }

    [Fact]
    public async Task An_unknown_dead_letter_is_404()
    {
        var (server, admin) = await AdminAsync();

        Assert.Equal(HttpStatusCode.NotFound, (await server.SendAsync(HttpMethod.Get, Root + "/999999999", token: admin.AccessToken)).Status);
        Assert.Equal(HttpStatusCode.NotFound, (await server.SendAsync(HttpMethod.Post, Root + "/999999999/discard", TokenApiCalls.JsonContent("""{"reason":"why not"}"""), admin.AccessToken)).Status);
    }

    [Theory]
    [InlineData("?consumre=user-sync", "consumre")]
    [InlineData("?key=%00", "key")]
    [InlineData("?key=", "key")]
    public async Task An_invalid_filter_is_refused_instead_of_listing_everything(string query, string field)
    {
        var (server, admin) = await AdminAsync();

        var answer = await server.SendAsync(HttpMethod.Get, Root + query, token: admin.AccessToken);

        Assert.Equal(HttpStatusCode.BadRequest, answer.Status);
        Assert.Equal(field, Assert.Single(answer.Json.GetProperty("fields").EnumerateObject()).Name);
    }

    private async Task<(ServerProcess Server, Person Admin)> AdminAsync()
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();
        await fixture.Identity.ExecuteAsync("""UPDATE "user" SET role = 'admin' WHERE id = @Id""", person);
        return (server, person);
    }
}
