using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;
using Watchword.Authentication;
using Watchword.Tests.Tokens;

namespace Watchword.Tests.Authentication;

/// <summary>A backend that is not Watchword's, with <c>AddWatchword()</c> and nothing else.</summary>
public class BackendTests
{
    private readonly TokenFixture _issuer = new() { Time = DateTimeOffset.UtcNow };

    [Fact]
    public async Task A_valid_token_names_the_user_by_the_claims_own_names()
    {
        await using var backend = await BackendAsync();

        var answer = await GetAsync(backend, "/me", _issuer.Issuer.Issue("u1", "s1", "ada@example.com", "Ada", "user, admin"));

        Assert.Equal(HttpStatusCode.OK, answer.Status);
        var claims = answer.Json.Deserialize<Dictionary<string, string>>()!;
        Assert.Equal(("u1", "s1", "ada@example.com", "Ada"), (claims["sub"], claims["sid"], claims["email"], claims["name"]));
        Assert.Equal("user|admin", claims["role"]);
    }

    [Fact]
    public async Task Without_a_valid_token_the_answer_is_401_and_says_why()
    {
        await using var backend = await BackendAsync();
        var token = _issuer.Issue();
        _issuer.Time -= TimeSpan.FromHours(1);
        var expired = _issuer.Issue();

        (await GetAsync(backend, "/me", null)).AssertInvalidToken();
        (await GetAsync(backend, "/me", token[..^9] + "AAAAAAAAA")).AssertInvalidToken();
        (await GetAsync(backend, "/me", token + "=")).AssertInvalidToken();
        var answer = await GetAsync(backend, "/me", expired);
        answer.AssertExpired();
        Assert.Equal("Bearer", answer.Header("WWW-Authenticate"));
        Assert.Equal("""{"error":"Unauthorized","message":"Token expired"}""", answer.Text);
        Assert.Equal(HttpStatusCode.OK, (await GetAsync(backend, "/me", token)).Status);
        Assert.Equal(HttpStatusCode.OK, (await GetAsync(backend, "/open", expired)).Status);
    }

    [Fact]
    public async Task A_role_that_the_token_lacks_is_403()
    {
        await using var backend = await BackendAsync();

        (await GetAsync(backend, "/admin", _issuer.Issuer.Issue("u", "s", "e", null, "user"))).AssertRefused(HttpStatusCode.Forbidden, "Forbidden", "Insufficient permissions");
        Assert.Equal(HttpStatusCode.OK, (await GetAsync(backend, "/admin", _issuer.Issuer.Issue("u", "s", "e", null, "user,admin"))).Status);
        Assert.Equal(HttpStatusCode.Forbidden, (await GetAsync(backend, "/admin", _issuer.Issuer.Issue("u", "s", "e", null, "administrator,Admin"))).Status);
    }

    [Fact]
    public async Task A_token_of_an_ended_session_is_refused_and_one_that_cannot_be_checked_lets_nobody_in()
    {
        await using var backend = await BackendAsync(o => o.IsEnded = (session, _) => session switch
        {
            "ended" => ValueTask.FromResult(true),
            "unknown" => throw new TimeoutException("no answer"),
            _ => ValueTask.FromResult(false),
        });

        Assert.Equal(HttpStatusCode.OK, (await GetAsync(backend, "/me", _issuer.Issuer.Issue("u", "alive", "e", null, null))).Status);
        (await GetAsync(backend, "/me", _issuer.Issuer.Issue("u", "ended", "e", null, null))).AssertInvalidToken();
        Assert.Equal(HttpStatusCode.InternalServerError, (await GetAsync(backend, "/me", _issuer.Issuer.Issue("u", "unknown", "e", null, null))).Status);
    }

    [Fact]
    public async Task Options_that_are_given_win_over_the_configuration()
    {
        await using var backend = await BackendAsync(o => o.Audience = "https://api.example");

        (await GetAsync(backend, "/me", _issuer.Issue())).AssertInvalidToken();
    }

    [Fact]
    public async Task Missing_or_wrong_options_stop_the_start_and_are_all_named_without_the_secret()
    {
        var error = await Assert.ThrowsAsync<OptionsValidationException>(() => BackendAsync(
            o => (o.Secret, o.ClockSkew) = ("too short a secret", TimeSpan.FromMinutes(6)), ("BETTER_AUTH_URL", "id.example")));

        Assert.Equal(4, error.Failures.Count());
        Assert.All((string[])["Secret", "Issuer", "Audience", "ClockSkew"], name => Assert.Contains(error.Failures, f => f.StartsWith(name + " ", StringComparison.Ordinal)));
        Assert.DoesNotContain("too short", error.Message, StringComparison.Ordinal);
    }

    private static async Task<WebApplication> BackendAsync(Action<WatchwordAuthenticationOptions>? configure = null, params (string Key, string Value)[] settings)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>
        {
            ["BETTER_AUTH_SECRET"] = TokenFixture.Secret,
            ["BETTER_AUTH_URL"] = TokenFixture.Origin + "/any/path",
        });
        builder.Configuration.AddInMemoryCollection(settings.ToDictionary(s => s.Key, s => (string?)s.Value));
        builder.Services.AddAuthentication().AddWatchword(configure);
        builder.Services.AddAuthorization();
        var app = builder.Build();
        app.Urls.Add("http://127.0.0.1:0");
        app.MapGet("/open", () => "open");
        app.MapGet("/me", (HttpContext context) => Results.Json(context.User.Claims.GroupBy(c => c.Type).ToDictionary(g => g.Key, g => string.Join('|', g.Select(c => c.Value)))))
            .RequireAuthorization();
        app.MapGet("/admin", () => "admin").RequireAuthorization(policy => policy.RequireRole("admin"));
        await app.StartAsync();
        return app;
    }

    private static async Task<Answer> GetAsync(WebApplication backend, string path, string? token)
    {
        using var http = new HttpClient { BaseAddress = new Uri(backend.Urls.Single()) };
        using var request = new HttpRequestMessage(HttpMethod.Get, path);
        if (token is not null)
            request.Headers.Authorization = new("Bearer", token);
        using var answer = await http.SendAsync(request);
        return new(answer.StatusCode, answer.Headers, await answer.Content.ReadAsStringAsync());
    }
}
