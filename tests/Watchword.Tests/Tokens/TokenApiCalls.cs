using System.Buffers.Text;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;

namespace Watchword.Tests.Tokens;

/// <summary>The answer to a request.</summary>
internal sealed record Answer(HttpStatusCode Status, HttpResponseHeaders Headers, string Text)
{
    public JsonElement Json => JsonDocument.Parse(Text).RootElement;

    public string Message => Json.GetProperty("message").GetString()!;

    public string AccessToken => Json.GetProperty("accessToken").GetString()!;

    public string RefreshToken => Json.GetProperty("refreshToken").GetString()!;

    public string? Header(string name) => Headers.TryGetValues(name, out var values) ? string.Join(',', values) : null;

    /// <summary>Asserts the status, error and message of a refusal (spec 2).</summary>
    public Answer AssertRefused(HttpStatusCode status, string error, string message)
    {
        Assert.Equal((status, error, message), (Status, Json.GetProperty("error").GetString(), Message));
        return this;
    }

    public void AssertInvalidToken() => AssertRefused(HttpStatusCode.Unauthorized, "Unauthorized", "Invalid token");

    public void AssertExpired() => AssertRefused(HttpStatusCode.Unauthorized, "Unauthorized", "Token expired");
}

/// <summary>A registered user who is signed in.</summary>
internal sealed record Person(string Id, string Email, string Password, string AccessToken, string RefreshToken)
{
    public string SessionId => TokenApiCalls.SessionOf(AccessToken);
}

/// <summary>The token API as a client calls it.</summary>
internal static class TokenApiCalls
{
    public static string NewEmail() => $"{Guid.NewGuid():N}@example.com";

    public static async Task<Person> RegisterAsync(this ServerProcess server, string password = "password123")
    {
        var email = NewEmail();
        var answer = await server.PostAsync("/auth/register", new { email, password, name = "Test User" });
        Assert.Equal(HttpStatusCode.Created, answer.Status);
        return new(answer.Json.GetProperty("user").GetProperty("id").GetString()!, email, password, answer.AccessToken, answer.RefreshToken);
    }

    public static Task<Answer> LoginAsync(this ServerProcess server, string email, string password) =>
        server.PostAsync("/auth/login", new { email, password });

    public static Task<Answer> RefreshAsync(this ServerProcess server, string refreshToken) =>
        server.PostAsync("/auth/refresh", new { refreshToken });

    public static Task<Answer> LogoutAsync(this ServerProcess server, string accessToken) =>
        server.SendAsync(HttpMethod.Post, "/auth/logout", token: accessToken);

    public static Task<Answer> MeAsync(this ServerProcess server, string accessToken) =>
        server.SendAsync(HttpMethod.Get, "/auth/me", token: accessToken);

    public static Task<Answer> PostAsync(this ServerProcess server, string path, object body, params (string Name, string Value)[] headers) =>
        server.SendAsync(HttpMethod.Post, path, JsonContent(JsonSerializer.Serialize(body)), headers: headers);

    public static Task<Answer> PostTextAsync(this ServerProcess server, string path, string json) =>
        server.SendAsync(HttpMethod.Post, path, JsonContent(json));

    public static ByteArrayContent JsonContent(string json) => JsonContent(Encoding.UTF8.GetBytes(json));

    public static ByteArrayContent JsonContent(byte[] json) => new(json) { Headers = { ContentType = new("application/json") } };

    public static async Task<Answer> SendAsync(
        this ServerProcess server, HttpMethod method, string path, HttpContent? content = null, string? token = null, params (string Name, string Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, path) { Content = content };
        if (token is not null)
            request.Headers.Authorization = new("Bearer", token);
        foreach (var (name, value) in headers)
            request.Headers.TryAddWithoutValidation(name, value);
        try
        {
            using var answer = await server.Http.SendAsync(request);
            return new(answer.StatusCode, answer.Headers, await answer.Content.ReadAsStringAsync());
        }
        catch (HttpRequestException e)
        {
            // If the server died, its last lines of output say why.
            throw new InvalidOperationException($"{method} {path} was not answered: {e.Message}\n{string.Join('\n', server.Output.Split('\n').TakeLast(20))}", e);
        }
    }

    public static string SessionOf(string accessToken) =>
        JsonDocument.Parse(Base64Url.DecodeFromChars(accessToken.Split('.')[1])).RootElement.GetProperty("sid").GetString()!;
}
