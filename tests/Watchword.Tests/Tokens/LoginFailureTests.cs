using System.Net;
using System.Text.Json;
using Watchword.Server.Configuration;
using Watchword.Server.Http;
using Watchword.Server.Passwords;
using Watchword.Server.Store;
using Watchword.Server.Tokens;

namespace Watchword.Tests.Tokens;

/// <summary>Failed logins are published and counted; too many lock the address, from that place.</summary>
public class LoginFailureTests(PostgresFixture postgres, ServerFixture fixture)
{
    private static readonly ChangeContext Home = new("c-1", ClientIp: "203.0.113.7", UserAgent: "Firefox");
    private static readonly ChangeContext Elsewhere = new("c-2", ClientIp: "198.51.100.9");

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Each_failure_names_its_reason_and_no_password()
    {
        await using var room = await Room.OpenAsync(postgres);
        await room.Database.ExecuteAsync("""
            INSERT INTO "user" (id, name, email, "emailVerified") VALUES ('u2', 'Social', 'social@example.com', true);
            INSERT INTO account (id, "accountId", "providerId", "userId", "updatedAt") VALUES ('a2', '77', 'github', 'u2', now())
            """);
        await room.FailAsync(Home, "ada@example.com", 401, "not-her-password");
        await room.FailAsync(Home, "nobody@example.com", 401);
        await room.FailAsync(Home, "social@example.com", 401);
        await room.Database.ExecuteAsync("""UPDATE "user" SET banned = true WHERE email = 'ada@example.com'""");
        await room.FailAsync(Home, "ada@example.com", 403, "password123");

        var failures = await room.FailuresAsync();
        Assert.Equal(["wrong_password", "unknown_address", "no_password", "banned"], failures.ConvertAll(f => f.GetProperty("reason").GetString()));
        Assert.Equal(["ada@example.com", "nobody@example.com", "social@example.com", "ada@example.com"], failures.ConvertAll(f => f.GetProperty("email").GetString()));
        Assert.Equal([room.Ada, null, "u2", room.Ada], failures.ConvertAll(f => f.TryGetProperty("userId", out var id) ? id.GetString() : null));
        Assert.Equal(("203.0.113.7", "Firefox"), (failures[0].GetProperty("ip").GetString(), failures[0].GetProperty("userAgent").GetString()));
        Assert.Equal(0, await room.Database.ScalarAsync<int>("SELECT count(*) FROM watchword.outbox WHERE payload::text LIKE '%password123%' OR payload::text LIKE '%not-her%'"));
    }

    [Theory]
    [InlineData("ada@example.com")]
    [InlineData("nobody@example.com")]   // the same, or a locked address would be known to exist
    public async Task Too_many_failures_lock_the_address_from_that_place_for_a_time(string email)
    {
        await using var room = await Room.OpenAsync(postgres);
        for (var i = 0; i < 10; i++)
            await room.FailAsync(Home, email, 401);
        var locked = await room.FailAsync(Home, email, 429, "password123");
        Assert.InRange(locked.RetryAfter!.Value, TimeSpan.FromMinutes(14), TimeSpan.FromMinutes(15));
        Assert.Equal(email == "ada@example.com" ? [room.Ada] : (string[])[], await room.Database.QueryAsync<string>("SELECT payload -> 'data' ->> 'userId' FROM watchword.outbox WHERE subject = 'auth.user.locked_out'"));

        // Not from elsewhere: a stranger cannot lock her out, however often they try. Nor does that lengthen the lock.
        for (var i = 0; i < 120; i++)
            locked = await room.FailAsync(Home, email, 429);
        Assert.True(locked.RetryAfter <= TimeSpan.FromMinutes(15));
        if (email == "ada@example.com")
            await room.Service.LoginAsync(Elsewhere, email, "password123", Cancel);
        await room.PassAsync(TimeSpan.FromMinutes(16));
        await room.FailAsync(Home, email, 401);
        if (email == "ada@example.com")
            await room.Service.LoginAsync(Home, email, "password123", Cancel);
    }

    [Fact]
    public async Task A_success_clears_the_count_and_old_failures_are_forgotten()
    {
        await using var room = await Room.OpenAsync(postgres);
        for (var round = 0; round < 3; round++)
        {
            for (var i = 0; i < 9; i++)
                await room.FailAsync(Home, "ada@example.com", 401);
            if (round == 0)
                await room.Service.LoginAsync(Home, "ada@example.com", "password123", Cancel);
            else
                await room.PassAsync(TimeSpan.FromMinutes(16));
        }
        Assert.Equal(0, await room.Database.ScalarAsync<int>("SELECT count(*) FROM watchword.outbox WHERE subject = 'auth.user.locked_out'"));
    }

    [Fact]
    public async Task All_places_together_have_ten_times_as_many_attempts()
    {
        await using var room = await Room.OpenAsync(postgres);
        for (var i = 0; i < 100; i++)
            await room.FailAsync(Home with { ClientIp = $"2001:db8:0:{i:x}::{i + 1:x}" }, "ada@example.com", 401);
        await room.FailAsync(Elsewhere, "ada@example.com", 429, "password123");
        await room.PassAsync(TimeSpan.FromMinutes(14));
        await room.FailAsync(Elsewhere, "ada@example.com", 429, "password123");
        await room.PassAsync(TimeSpan.FromMinutes(2));
        await room.Service.LoginAsync(Elsewhere, "ada@example.com", "password123", Cancel);
    }

    [Fact]
    public async Task One_client_with_many_IPv6_addresses_is_one_place()
    {
        await using var room = await Room.OpenAsync(postgres);
        for (var i = 0; i < 10; i++)
            await room.FailAsync(Home with { ClientIp = $"2001:db8::{i + 1:x}" }, "ada@example.com", 401);
        await room.FailAsync(Home with { ClientIp = "2001:db8::ffff" }, "ada@example.com", 429);
    }

    [Fact]
    public async Task Of_an_address_that_fails_often_one_event_in_ten_is_published()
    {
        await using var room = await Room.OpenAsync(postgres, new LockoutOptions { Failures = null });
        for (var i = 0; i < 60; i++)
            await room.FailAsync(Home, "ada@example.com", 401);
        Assert.Equal(24, (await room.FailuresAsync()).Count);
    }

    [Fact]
    public async Task A_locked_address_is_answered_with_the_time_to_wait()
    {
        var server = await fixture.StartedAsync();
        var person = await server.RegisterAsync();
        for (var i = 0; i < 10; i++)
            Assert.Equal(HttpStatusCode.Unauthorized, (await server.PostAsync("/auth/login", new { email = person.Email, password = "wrong-password" }, ("X-Forwarded-For", "203.0.113.66"))).Status);
        var locked = await server.PostAsync("/auth/login", new { email = person.Email, password = "password123" }, ("X-Forwarded-For", "203.0.113.66"));
        Assert.Equal(HttpStatusCode.TooManyRequests, locked.Status);
        Assert.Equal("""{"error":"Too Many Requests","message":"Too many failed logins, try again later"}""", locked.Text);
        Assert.InRange(int.Parse(locked.Header("Retry-After")!, System.Globalization.CultureInfo.InvariantCulture), 800, 900);
        var events = await fixture.Account.AuthEventsOfAsync(person.Id, "auth.user.locked_out");
        Assert.Equal(10, events.Count(e => e.Subject == "auth.user.login_failed"));
    }

    private sealed record Room(TestDatabase Database, PasswordHasher Hasher, TokenService Service, string Ada) : IAsyncDisposable
    {
        public static async Task<Room> OpenAsync(PostgresFixture postgres, LockoutOptions? options = null)
        {
            var database = await postgres.IdentityAsync();
            var hasher = new PasswordHasher(new PasswordOptions { LogN = 4, R = 1, Threads = 1 });
            var store = await database.StoreAsync();
            var service = new TokenService(store, hasher, new LoginFailures(store, options ?? new LockoutOptions()), new TokenFixture().Issuer,
                new RefreshTokens(TokenFixture.Secret), _ => { }, new TokenOptions(TimeSpan.FromDays(7)));
            var ada = await service.RegisterAsync(Home, "ada@example.com", "password123", "Ada", Cancel);
            return new(database, hasher, service, ada.Answer.User.Id);
        }

        public async Task<ApiException> FailAsync(ChangeContext change, string email, int status, string password = "wrong-password")
        {
            var refused = await Assert.ThrowsAsync<ApiException>(() => Service.LoginAsync(change, email, password, Cancel));
            Assert.Equal(status, refused.Status);
            return refused;
        }

        public async Task<List<JsonElement>> FailuresAsync() =>
            (await Database.QueryAsync<string>("SELECT (payload -> 'data')::text FROM watchword.outbox WHERE subject = 'auth.user.login_failed' ORDER BY position"))
                .ConvertAll(text => JsonDocument.Parse(text).RootElement);

        public Task<int> PassAsync(TimeSpan time) =>
            Database.ExecuteAsync("UPDATE watchword.login_failure SET last_at = last_at - @time, locked_until = locked_until - @time", new { time });

        public async ValueTask DisposeAsync()
        {
            Hasher.Dispose();
            await Database.DisposeAsync();
        }
    }
}
