using System.Net;
using System.Net.Http.Json;
using System.Text.Json;

namespace Watchword.Tests.Tokens;

/// <summary>The token API, walked as a client walks it.</summary>
public class TokenApiTests(ServerFixture fixture)
{
    [Fact]
    public async Task A_user_registers_and_is_answered_201_with_tokens_and_user()
    {
        var server = await fixture.StartedAsync();
        var email = $"{Guid.NewGuid():N}@example.com";
        using var answer = await server.Http.PostAsJsonAsync("/auth/register", new { email, password = "password123", name = "Test User" });
        Assert.Equal(HttpStatusCode.Created, answer.StatusCode);
        Assert.True(answer.Headers.Contains("Watchword-Version"));
        var body = await answer.Content.ReadFromJsonAsync<JsonElement>();
        Assert.Equal(3, body.GetProperty("accessToken").GetString()!.Split('.').Length);
        Assert.NotEmpty(body.GetProperty("refreshToken").GetString()!);
        Assert.Equal(email, body.GetProperty("user").GetProperty("email").GetString());
    }
}
