using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Watchword.Events.Postgres;
using Watchword.Server.Configuration;
using Watchword.Server.Store;
using Watchword.UserSync;

namespace Watchword.Tests.Store;

/// <summary>Tables are where people look for them: no role's name decides.</summary>
public class LayoutTests(PostgresFixture postgres)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Roles_of_any_name_get_the_same_layout()
    {
        var identity = new List<List<string>>();
        var target = new List<List<string>>();
        foreach (var role in (string[])["layout_role", "public ", "watchword"])
        {
            await using var database = await OwnedByAsync(role);
            await using var source = IdentityDatabase.Open(database.ConnectionString, "test");
            await IdentitySchema.ApplyAsync(source, "public", NullLogger.Instance, Cancel);
            identity.Add(await TablesAsync(database));

            await using var app = await OwnedByAsync(role);
            await using var users = IdentityDatabase.Open(app.ConnectionString, "test", "public");
            await MigrationRunner.ApplyAsync(users, UserSyncSchema.Migrations, NullLogger.Instance, Cancel);
            target.Add(await TablesAsync(app));
        }
        Assert.Contains("public.user", identity[0]);
        Assert.Contains("public.session", identity[0]);
        Assert.Contains("watchword.outbox", identity[0]);
        Assert.DoesNotContain("watchword.user", identity[0]);
        Assert.Contains("public.users", target[0]);
        Assert.All(identity, layout => Assert.Equal(identity[0], layout));
        Assert.All(target, layout => Assert.Equal(target[0], layout));
    }

    [Fact]
    public async Task The_identity_tables_can_live_in_another_schema()
    {
        await using var database = await postgres.EmptyAsync();
        await IdentitySchema.ApplyAsync(database.Source, "Ada's", NullLogger.Instance, Cancel);
        var tables = await TablesAsync(database);
        Assert.Contains("Ada's.user", tables);
        Assert.DoesNotContain(tables, t => t.StartsWith("public.", StringComparison.Ordinal));
        await database.ExecuteAsync("""INSERT INTO "Ada's"."user" (id, name, email, "emailVerified") VALUES ('u1', 'Ada', 'ada@example.com', true)""");
        Assert.Equal(2, await database.ScalarAsync<int>("SELECT count(*) FROM watchword.outbox"));

        // The tables of a database are in one schema.
        var refused = await Assert.ThrowsAsync<StartException>(() => IdentitySchema.ApplyAsync(database.Source, "public", NullLogger.Instance, Cancel));
        Assert.Contains("name that one in DATABASE_SCHEMA", refused.Message, StringComparison.Ordinal);
    }

    // The role "public " stands for one that is called public: PostgreSQL itself refuses that name without the blank.
    private async Task<TestDatabase> OwnedByAsync(string role)
    {
        await using var database = await postgres.EmptyAsync();
        var name = new NpgsqlConnectionStringBuilder(database.ConnectionString).Database!;
        await database.ExecuteAsync($"""
            DO $$ BEGIN CREATE ROLE "{role}" LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
            ALTER DATABASE {name} OWNER TO "{role}"
            """);
        return new(new NpgsqlConnectionStringBuilder(database.ConnectionString) { Username = role }.ConnectionString);
    }

    private static Task<List<string>> TablesAsync(TestDatabase database) =>
        database.QueryAsync<string>(@"SELECT schemaname || '.' || tablename FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND tablename !~ '^outbox_\d' ORDER BY 1");
}
