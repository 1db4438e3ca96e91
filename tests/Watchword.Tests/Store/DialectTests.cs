using Microsoft.Extensions.Logging.Abstractions;
using Watchword.Events.Outbox;
using Watchword.Server.Configuration;
using Watchword.Server.Passwords;
using Watchword.Server.Store;
using Watchword.Server.Tokens;
using Watchword.Tests.Tokens;

namespace Watchword.Tests.Store;

/// <summary>Databases that Better Auth's own migrations made, of each version that differs. Dialects/generate.mjs writes them.</summary>
public class DialectTests(PostgresFixture postgres)
{
    private const string Repaired = "ALTER TABLE account ALTER COLUMN issuer DROP NOT NULL";
    private const string Plural = """
        ALTER TABLE "user" RENAME TO users; ALTER TABLE session RENAME TO sessions; ALTER TABLE account RENAME TO accounts; ALTER TABLE verification RENAME TO verifications;
        ALTER TABLE organization RENAME TO organizations; ALTER TABLE member RENAME TO members; ALTER TABLE invitation RENAME TO invitations;
        ALTER TABLE team RENAME TO teams; ALTER TABLE "teamMember" RENAME TO "teamMembers"; ALTER TABLE "organizationRole" RENAME TO "organizationRoles";
        ALTER TABLE apikey RENAME TO apikeys; ALTER TABLE passkey RENAME TO passkeys; ALTER TABLE "twoFactor" RENAME TO "twoFactors"
        """;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("1.7.1", "", "local:credential", "user")]            // account.issuer NOT NULL
    [InlineData("1.7.1", Repaired, null, "user")]                    // nullable
    [InlineData("1.7.7", "", null, "user")]                          // none; no plugins at all
    [InlineData("1.7.25", "", null, "user")]
    [InlineData("1.7.25", Plural, null, "users")]
    public async Task Sign_up_sign_in_and_a_profile_change_work_each_with_its_events(string version, string change, string? issuer, string users)
    {
        await using var database = await BetterAuthAsync(version, change);
        using var hasher = new PasswordHasher(new PasswordOptions { LogN = 4, R = 1, Threads = 1 });
        var tables = await IdentitySchema.ApplyAsync(database.Source, "public", NullLogger.Instance, Cancel);
        var store = new IdentityStore(database.Source, tables, new OutboxSignal());
        var service = new TokenService(store, hasher, new LoginFailures(store, new LockoutOptions()), new TokenFixture().Issuer,
            new RefreshTokens(TokenFixture.Secret), _ => { }, new TokenOptions(TimeSpan.FromDays(7)));

        var ada = (await service.RegisterAsync(default, "ada@example.com", "password123", "Ada", Cancel)).Answer.User.Id;
        Assert.Equal(["user.created", "auth.user.registered", "credential.changed"], await EventsAsync(database));
        if (tables.Has("account", "issuer"))
            Assert.Equal(issuer, await database.ScalarAsync<string?>("SELECT issuer FROM account"));

        var login = await service.LoginAsync(default, "ada@example.com", "password123", Cancel);
        Assert.Equal(["auth.user.logged_in"], await EventsAsync(database));
        await service.RefreshAsync(default, login.Answer.RefreshToken, Cancel);
        Assert.Equal(["auth.user.token_refreshed"], await EventsAsync(database));
        await Assert.ThrowsAsync<Server.Http.ApiException>(() => service.LoginAsync(default, "ada@example.com", "password124", Cancel));
        Assert.Equal(["auth.user.login_failed"], await EventsAsync(database));

        await database.ExecuteAsync($"""UPDATE public."{users}" SET name = 'Ada Lovelace' WHERE id = @ada""", new { ada });
        Assert.Equal(["user.updated"], await EventsAsync(database));
        await database.ExecuteAsync($"""DELETE FROM public."{users}" """);
        Assert.Equal(["user.deleted", "session.revoked", "session.revoked", "credential.changed"], (await EventsAsync(database)).OrderBy(e => e switch { "user.deleted" => 0, "session.revoked" => 1, _ => 2 }));
    }

    [Theory]
    [InlineData("1.7.1")]
    [InlineData("1.7.7")]
    [InlineData("1.7.25")]
    public async Task What_Better_Auth_made_is_left_as_it_is(string version)
    {
        await using var database = await BetterAuthAsync(version, "");
        await database.ExecuteAsync("""INSERT INTO "user" (id, name, email, "emailVerified") VALUES ('u1', 'Ada', 'ada@example.com', true)""");
        var before = await LayoutAsync(database);
        await IdentitySchema.ApplyAsync(database.Source, "public", NullLogger.Instance, Cancel);
        Assert.Equal(before, await LayoutAsync(database));
        Assert.Equal("Ada", await database.ScalarAsync<string>("""SELECT name FROM "user" """));
    }

    [Fact]
    public async Task Half_a_schema_is_refused_with_the_names_of_what_is_missing()
    {
        await using var database = await BetterAuthAsync("1.7.7", "DROP TABLE verification; DROP TABLE account");
        var refused = await Assert.ThrowsAsync<StartException>(() => IdentitySchema.ApplyAsync(database.Source, "public", NullLogger.Instance, Cancel));
        Assert.Contains("account, verification", refused.Message, StringComparison.Ordinal);
        Assert.Contains("DATABASE_SCHEMA", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_table_that_comes_later_is_captured_from_the_next_start()
    {
        await using var database = await BetterAuthAsync("1.7.7", "");
        await IdentitySchema.ApplyAsync(database.Source, "public", NullLogger.Instance, Cancel);
        await database.ExecuteAsync("""
            CREATE TABLE organization (id text PRIMARY KEY, name text NOT NULL, slug text NOT NULL UNIQUE, logo text, "createdAt" timestamptz NOT NULL, metadata text);
            CREATE TABLE member (id text PRIMARY KEY, "organizationId" text NOT NULL, "userId" text NOT NULL, role text NOT NULL, "createdAt" timestamptz NOT NULL);
            """);
        await IdentitySchema.ApplyAsync(database.Source, "public", NullLogger.Instance, Cancel);
        await database.ExecuteAsync("""
            INSERT INTO "user" (id, name, email, "emailVerified") VALUES ('u1', 'Ada', 'ada@example.com', true);
            INSERT INTO organization (id, name, slug, "createdAt") VALUES ('o1', 'Acme', 'acme', now());
            INSERT INTO member (id, "organizationId", "userId", role, "createdAt") VALUES ('m1', 'o1', 'u1', 'owner', now());
            """);
        Assert.Equal(["user.created", "auth.user.registered", "organization.created", "user.updated", "organizationMembership.created"], await EventsAsync(database));
    }

    private async Task<TestDatabase> BetterAuthAsync(string version, string change)
    {
        var database = await postgres.EmptyAsync();
        await database.ExecuteAsync(await File.ReadAllTextAsync(Path.Combine(Repository.Root, "tests", "Watchword.Tests", "Store", "Dialects", $"better-auth-{version}.sql"), Cancel));
        if (change.Length > 0)
            await database.ExecuteAsync(change);
        return database;
    }

    // The events since the last call.
    private static async Task<List<string>> EventsAsync(TestDatabase database)
    {
        var events = await database.QueryAsync<string>("SELECT coalesce(payload ->> 'event', subject) FROM watchword.outbox WHERE published_at IS NULL ORDER BY position");
        await database.ExecuteAsync("UPDATE watchword.outbox SET published_at = now() WHERE published_at IS NULL");
        return events;
    }

    private static Task<List<string>> LayoutAsync(TestDatabase database) => database.QueryAsync<string>("""
        SELECT concat_ws(' ', table_name, column_name, data_type, is_nullable, column_default) FROM information_schema.columns WHERE table_schema = 'public'
        UNION ALL SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1
        """);
}
