using System.Text.Json;

namespace Watchword.Tests.MainJob;

/// <summary>Sign up, and the change arrives: the whole path, with the official NATS client as the other side.</summary>
public class WalkTests(ServerFixture fixture)
{
    [Fact]
    public async Task Sign_up_login_refresh_and_logout_each_leave_their_event_and_the_row_arrives()
    {
        var server = await fixture.StartedAsync();
        var email = $"{Guid.NewGuid():N}@example.com";
        var walk = JsonDocument.Parse(await Node.RunAsync("walk.mjs", JsonSerializer.Serialize(new { http = $"http://127.0.0.1:{server.Port}", nats = fixture.Account.Url, email }))).RootElement;

        Assert.Equal([201, 200, 200, 200, 200], walk.GetProperty("steps").EnumerateArray().Select(s => s.GetProperty("status").GetInt32()));
        Assert.Equal([401, 401, 401, 401], walk.GetProperty("refused").EnumerateArray().Select(s => s.GetInt32()));

        var events = walk.GetProperty("events").EnumerateArray().ToList();
        Assert.Equal(["auth.user.registered", "auth.user.logged_in", "auth.user.token_refreshed", "auth.user.logged_out"],
            events.Select(e => e.GetProperty("subject").GetString()));
        var user = walk.GetProperty("steps")[0].GetProperty("body").GetProperty("user");
        var registered = events[0].GetProperty("body");
        Assert.Equal(user.GetProperty("id").GetString(), registered.GetProperty("data").GetProperty("userId").GetString());
        Assert.Equal(email, registered.GetProperty("data").GetProperty("email").GetString());
        Assert.Equal("Test User", registered.GetProperty("data").GetProperty("name").GetString());
        Assert.Equal("auth-service", registered.GetProperty("metadata").GetProperty("service").GetString());
        Assert.Equal("production", registered.GetProperty("metadata").GetProperty("environment").GetString());
        Assert.Equal(events[0].GetProperty("messageId").GetString(), registered.GetProperty("metadata").GetProperty("eventId").GetString());
        var loggedIn = events[1].GetProperty("body").GetProperty("data");
        Assert.Equal("127.0.0.1", loggedIn.GetProperty("ip").GetString());
        Assert.Equal("walk/1.0", loggedIn.GetProperty("userAgent").GetString());
        Assert.Equal("user.created", Assert.Single(walk.GetProperty("changes").EnumerateArray()).GetProperty("body").GetProperty("event").GetString());

        await Eventually.TrueAsync(async () => await fixture.Target.ScalarAsync<long>("SELECT count(*) FROM users WHERE email = @email AND name = 'Test User'", new { email }) == 1);
        await Eventually.TrueAsync(() => Task.FromResult(server.Output.Split('\n').Any(line =>
            line.Contains("\"event\":\"auth.user.registered\"", StringComparison.Ordinal)
            && line.Contains("\"msg\":\"Auth event published successfully\"", StringComparison.Ordinal)
            && line.Contains(user.GetProperty("id").GetString()!, StringComparison.Ordinal))));
    }

    [Fact]
    public async Task The_manual_event_of_spec_0_published_by_the_official_client_makes_and_changes_the_row()
    {
        await fixture.StartedAsync();
        var id = $"manual-{Guid.NewGuid():N}";
        string Event(string kind, string name, string time) => $$$"""
            {"event":"user.{{{kind}}}","timestamp":"{{{time}}}","data":{"userId":"{{{id}}}","email":"{{{id}}}@example.com","name":"{{{name}}}","emailVerified":true,
             "isAnonymous":false,"isActive":true,"roles":["user"],"organizationId":"org_default"}}
            """;
        async Task PublishAsync(params string[] messages) => Assert.Equal($"{messages.Length}\n",
            await Node.RunAsync("publish.mjs", JsonSerializer.Serialize(new { nats = fixture.Account.Url, subject = "user.sync", messages })));
        async Task NameIsAsync(string name) => await Eventually.TrueAsync(async () =>
            await fixture.Target.ScalarAsync<string?>("SELECT string_agg(name || is_active::text, '|') FROM users WHERE auth_id = @id", new { id }) == name);

        await PublishAsync([.. Enumerable.Repeat(Event("created", "Test User", "2024-04-16T10:30:00Z"), 100)]);
        await NameIsAsync("Test Usertrue");
        await PublishAsync(Event("updated", "Newer", "2024-04-16T10:31:00Z"), Event("updated", "Older", "2024-04-16T10:29:00Z"));
        await NameIsAsync("Newertrue");
        await PublishAsync(Event("deleted", "Newer", "2024-04-16T10:32:00Z"));
        await NameIsAsync("Newerfalse");
    }
}
