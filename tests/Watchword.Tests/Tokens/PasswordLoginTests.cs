using System.Net;
using Watchword.Server.Configuration;
using Watchword.Server.Http;
using Watchword.Server.Passwords;
using Watchword.Server.Tokens;

namespace Watchword.Tests.Tokens;

/// <summary>Which passwords sign in to which accounts, and how much work each attempt takes.</summary>
public class PasswordLoginTests(ServerFixture fixture, PostgresFixture postgres)
{
    private static readonly PasswordOptions Cheap = new() { LogN = 4, R = 1, Threads = 1 };

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    // Hashed by better-auth 1.7.7.
    [Theory]
    [InlineData("correct horse battery staple",
        "cf6e8e34c42802b0503c9184c53b1a3a:46fe51a3aa0895aa0a07f0de4b8f23dc780ae306adf623d3827f737d92f5fce26492030e3d57c017e3d93bb2701d650f3392bf25b500d8416826c6da40220ad4")]
    [InlineData("пароль-密码-🔑",
        "1a9cff6339b72d4382cb9284bbb6d1d4:c1ef487aea5a6dd0e28195613433c1dc53998090412b3eabe95f657b9c629f7fe82403f740cde3ca63ed2d82baab4709cf16f369e86894aa27574f87f610e8f5")]
    public async Task A_user_of_Better_Auth_signs_in(string password, string hash)
    {
        var server = await fixture.StartedAsync();
        var email = await UserOfBetterAuthAsync(hash, "Ada");
        Assert.Equal(HttpStatusCode.OK, (await server.LoginAsync(email, password)).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await server.LoginAsync(email, password + "x")).Status);
    }

    [Fact]
    public async Task A_hash_is_verified_with_the_cost_that_it_names()
    {
        var server = await fixture.StartedAsync();
        using var other = new PasswordHasher(Cheap);
        var hash = await other.HashAsync("password123", Cancel);
        Assert.StartsWith("$scrypt$ln=4,r=1,p=1$", hash, StringComparison.Ordinal);
        var email = await UserOfBetterAuthAsync(hash, "Ada");
        Assert.Equal(HttpStatusCode.OK, (await server.LoginAsync(email, "password123")).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await server.LoginAsync(email, "password124")).Status);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("no hash")]
    [InlineData("$scrypt$ln=24,r=8,p=1$AAAAAAAAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")]
    public async Task Nobody_can_sign_in_to_an_account_without_a_usable_hash(string? hash)
    {
        var server = await fixture.StartedAsync();
        var email = await UserOfBetterAuthAsync(hash, "Ada");
        (await server.LoginAsync(email, "password123")).AssertRefused(HttpStatusCode.Unauthorized, "Unauthorized", "Invalid email or password");
    }

    [Fact]
    public async Task A_user_with_a_very_long_name_can_sign_in()
    {
        var server = await fixture.StartedAsync();
        using var hasher = new PasswordHasher(Cheap);
        var name = new string('密', 10_000);
        var email = await UserOfBetterAuthAsync(await hasher.HashAsync("password123", Cancel), name);

        var login = await server.LoginAsync(email, "password123");

        Assert.True(login.Status == HttpStatusCode.OK, login.Text);
        Assert.Equal(name, (await server.MeAsync(login.AccessToken)).Json.GetProperty("user").GetProperty("name").GetString());
    }

    [Fact]
    public async Task Two_Unicode_spellings_of_a_password_are_the_same_password()
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync("Zo\u00EB-\uFB01x-\uFF11\uFF12\uFF13");
        Assert.Equal(HttpStatusCode.OK, (await server.LoginAsync(person.Email, "Zoe\u0308-fix-123")).Status);
        Assert.Equal(HttpStatusCode.Unauthorized, (await server.LoginAsync(person.Email, "Zoe-fix-123")).Status);
    }

    [Fact]
    public async Task A_right_password_a_wrong_one_and_an_unknown_address_take_the_same_work()
    {
        await using var database = await postgres.IdentityAsync();
        using var hasher = new PasswordHasher(Cheap);
        var hashed = 0;
        hasher.Pool.BatchStarting = size => hashed += size;
        var store = await database.StoreAsync();
        var service = new TokenService(store, hasher, new LoginFailures(store, new LockoutOptions()), new TokenFixture().Issuer,
            new RefreshTokens(TokenFixture.Secret), _ => { }, new TokenOptions(TimeSpan.FromDays(7)));
        await service.RegisterAsync(default, "ada@example.com", "password123", "Ada", Cancel);
        Assert.Equal(1, hashed);

        await service.LoginAsync(default, "ada@example.com", "password123", Cancel);
        Assert.Equal(2, hashed);
        await Assert.ThrowsAsync<ApiException>(() => service.LoginAsync(default, "ada@example.com", "password124", Cancel));
        Assert.Equal(3, hashed);
        await Assert.ThrowsAsync<ApiException>(() => service.LoginAsync(default, "eve@example.com", "password123", Cancel));
        Assert.Equal(4, hashed);
        await database.ExecuteAsync("""UPDATE "user" SET banned = true""");
        await Assert.ThrowsAsync<ApiException>(() => service.LoginAsync(default, "ada@example.com", "password124", Cancel));
        Assert.Equal(5, hashed);
    }

    private async Task<string> UserOfBetterAuthAsync(string? hash, string name)
    {
        var email = TokenApiCalls.NewEmail();
        await fixture.Identity.ExecuteAsync("""
            INSERT INTO "user" (id, name, email, "emailVerified") VALUES (@email, @name, @email, true);
            INSERT INTO account (id, "accountId", "providerId", "userId", password, "updatedAt") VALUES (@email, @email, 'credential', @email, @hash, now())
            """, new { email, name, hash });
        return email;
    }
}
