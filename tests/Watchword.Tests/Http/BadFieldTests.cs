using System.Net;
using System.Text.Json;
using Watchword.Tests.Tokens;

namespace Watchword.Tests.Http;

/// <summary>An invalid field is named, with 400, and nothing is written.</summary>
public class BadFieldTests(ServerFixture fixture)
{
    private const string Email = "\"email\":\"ada@example.com\"";
    private const string Password = "\"password\":\"password123\"";
    private const string Name = "\"name\":\"Ada\"";

    public static TheoryData<string, string, string> Bad()
    {
        var data = new TheoryData<string, string, string>();
        // Values that are wrong for every field of every endpoint.
        foreach (var json in (string[])["null", "7", "true", "[]", "{}", "[\"x\"]", "1e400", "12345678901234567890123456789", "\"\"", "\"a\\u0000b\"", "\"\\u0000\"", "\"\\ud800\"", "\"\\udc00x\""])
        {
            data.Add("register", "email", $"{{\"email\":{json},{Password},{Name}}}");
            data.Add("register", "password", $"{{{Email},\"password\":{json},{Name}}}");
            data.Add("register", "name", $"{{{Email},{Password},\"name\":{json}}}");
            data.Add("login", "email", $"{{\"email\":{json},{Password}}}");
            data.Add("login", "password", $"{{{Email},\"password\":{json}}}");
            data.Add("refresh", "refreshToken", $"{{\"refreshToken\":{json}}}");
        }
        foreach (var email in (string[])["ada", "@", "ada@", "@example.com", "ada@example", "ada@@example.com", "a b@example.com", "ada@exa mple.com", ".ada@example.com",
            "ada.@example.com", "a..b@example.com", "ada@-example.com", "ada@example-.com", "ada@.com", "ada@example..com", "ada@example.c", "ada@[127.0.0.1]", "ada@1.2.3.4",
            " ada@example.com", "ada@example.com ", "ada@example.com\\n", "ada\\n@example.com", "<ada@example.com>", "ada@exämple.com", "ädа@example.com",
            new string('a', 65) + "@example.com", "a@" + string.Concat(Enumerable.Repeat("abcdefgh.", 28)) + "com", "a@" + new string('b', 64) + ".com"])
        {
            data.Add("register", "email", $"{{\"email\":\"{email}\",{Password},{Name}}}");
            data.Add("login", "email", $"{{\"email\":\"{email}\",{Password}}}");
        }
        data.Add("register", "password", $"{{{Email},\"password\":\"1234567\",{Name}}}");
        data.Add("register", "password", $"{{{Email},\"password\":\"{new string('p', 129)}\",{Name}}}");
        data.Add("login", "password", $"{{{Email},\"password\":\"{new string('p', 129)}\"}}");
        data.Add("register", "name", $"{{{Email},{Password},\"name\":\"{new string('n', 10_000)}\"}}");
        data.Add("register", "name", $"{{{Email},{Password},\"name\":\"{new string('n', 201)}\"}}");
        data.Add("refresh", "refreshToken", $"{{\"refreshToken\":\"{new string('t', 4097)}\"}}");
        data.Add("register", "email", $"{{{Password},{Name}}}");
        data.Add("register", "password", $"{{{Email},{Name}}}");
        data.Add("register", "name", $"{{{Email},{Password}}}");
        data.Add("login", "email", $"{{{Password}}}");
        data.Add("login", "password", $"{{{Email}}}");
        data.Add("refresh", "refreshToken", "{}");
        data.Add("refresh", "refreshToken", "{\"RefreshToken\":\"x\"}");
        // Parsers differ in which of the two values they take.
        data.Add("register", "email", $"{{{Email},{Password},{Name},\"email\":\"eve@example.com\"}}");
        data.Add("login", "password", $"{{{Email},{Password},{Password}}}");
        data.Add("login", "email", $"{{{Email},{Password},\"\\u0065mail\":\"eve@example.com\"}}");
        data.Add("refresh", "refreshToken", "{\"refreshToken\":\"a\",\"refreshToken\":\"b\"}");
        return data;
    }

    // One test with many cases: each is a request of a millisecond.
    [Fact]
    public async Task A_field_at_fault_is_named()
    {
        var server = await fixture.StartedAsync();
        foreach (var (endpoint, field, json) in Bad().Select(r => r.Data))
        {
            var answer = await server.PostTextAsync("/auth/" + endpoint, json);
            var shown = $"{endpoint} {(json.Length > 300 ? json[..300] : json)} was answered {answer.Text}";
            Assert.True(answer.Status == HttpStatusCode.BadRequest, shown);
            Assert.True(answer.Json.GetProperty("error").GetString() == "Bad Request", shown);
            Assert.True(answer.Message.StartsWith($"Invalid input: {field} ", StringComparison.Ordinal), shown);
            Assert.True(answer.Json.GetProperty("fields").EnumerateObject().Select(f => f.Name).SequenceEqual([field]), shown);
        }
        Assert.Equal(0, await fixture.Identity.ScalarAsync<int>("""SELECT count(*) FROM "user" WHERE email = 'ada@example.com'"""));
    }

    [Fact]
    public async Task All_fields_at_fault_are_named_at_once()
    {
        var server = await fixture.StartedAsync();

        var answer = await server.PostTextAsync("/auth/register", """{"email":"x","password":"short"}""");

        answer.AssertRefused(HttpStatusCode.BadRequest, "Bad Request",
            "Invalid input: email must be an e-mail address such as ada@example.com; password must have 8 to 128 characters, not 5; name is missing");
        Assert.Equal(["email", "password", "name"], answer.Json.GetProperty("fields").EnumerateObject().Select(f => f.Name));
    }

    [Fact]
    public async Task A_refusal_never_repeats_the_password()
    {
        var server = await fixture.StartedAsync();
        var password = "hunter2-" + new string('x', 130);
        Assert.DoesNotContain("hunter2", (await server.PostAsync("/auth/register", new { email = "a@b.example", password, name = "A" })).Text, StringComparison.Ordinal);
    }

    public static TheoryData<string, string, string> AtTheLimits() => new()
    {
        { "password", "name", "a" },
        { new string('p', 128), new string('n', 200), new string('a', 64) },
        { "pass\\\"\\\\\\n\\t", "\\ud83d\\ude00 <b>'; DROP TABLE \\\"user\\\"; --", "o'neil+tag!#$%&*/=?^_`{|}~-" },
        { "密码密码密码密码", " ", "x" },
    };

    [Theory]
    [MemberData(nameof(AtTheLimits))]
    public async Task Values_at_the_limits_are_stored_unchanged(string password, string name, string local)
    {
        var server = await fixture.StartedAsync();
        var email = local + "@" + Guid.NewGuid().ToString("N") + ".example.com";

        var made = await server.PostTextAsync("/auth/register", $$"""{"email":"{{email}}","password":"{{password}}","name":"{{name}}","more":{"a":[1]},"more":2}""");

        Assert.True(made.Status == HttpStatusCode.Created, made.Text);
        Assert.Equal(JsonDocument.Parse($"\"{name}\"").RootElement.GetString(), made.Json.GetProperty("user").GetProperty("name").GetString());
        Assert.Equal(HttpStatusCode.OK, (await server.PostTextAsync("/auth/login", $$"""{"email":"{{email}}","password":"{{password}}"}""")).Status);
        Assert.Equal(HttpStatusCode.OK, (await server.MeAsync(made.AccessToken)).Status);
    }
}
