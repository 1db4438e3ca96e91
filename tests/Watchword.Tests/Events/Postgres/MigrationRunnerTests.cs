using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Watchword.Events.Postgres;
using Watchword.Server.Store;

namespace Watchword.Tests.Events.Postgres;

public class MigrationRunnerTests(PostgresFixture postgres)
{
    private static MigrationSet Set(params string[] files) =>
        new("test", [.. files.Select((sql, i) => new Migration(i + 1, $"file{i + 1}", sql))]);

    private static Migration File(int number, string name) => new(number, name, $"CREATE TABLE {name} (n int)");

    private static Task ApplyAsync(TestDatabase db, MigrationSet set) => MigrationRunner.ApplyAsync(db.Source, [set], NullLogger.Instance);

    [Fact]
    public async Task Many_nodes_that_start_at_once_apply_each_file_once()
    {
        await using var db = await postgres.EmptyAsync();
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => IdentitySchema.ApplyAsync(db.Source, "public", NullLogger.Instance)));
        Assert.Equal(4, await db.ScalarAsync<int>("SELECT count(*) FROM watchword.migration"));
    }

    [Fact]
    public async Task Only_missing_files_are_applied()
    {
        await using var db = await postgres.EmptyAsync();
        await ApplyAsync(db, Set("CREATE TABLE one (n int)"));
        await ApplyAsync(db, Set("CREATE TABLE one (n int)", "CREATE TABLE two (n int)"));
        Assert.Equal(0, await db.ScalarAsync<int>("SELECT count(*) FROM two"));
    }

    [Fact]
    public async Task A_service_needs_no_right_to_create_once_everything_is_applied()
    {
        await using var db = await postgres.EmptyAsync();
        await ApplyAsync(db, Set("CREATE TABLE one (n int)"));
        var role = "service_" + Guid.NewGuid().ToString("N");
        await db.ExecuteAsync($"CREATE ROLE {role}; GRANT USAGE ON SCHEMA watchword TO {role}; GRANT SELECT ON watchword.migration TO {role}");
        await using var service = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(db.ConnectionString) { Options = $"-c role={role}" });

        await MigrationRunner.ApplyAsync(service, [Set("CREATE TABLE one (n int)")], NullLogger.Instance);
        var refused = await Assert.ThrowsAnyAsync<Exception>(() => MigrationRunner.ApplyAsync(service, [Set("CREATE TABLE one (n int)", "CREATE TABLE watchword.two (n int)")], NullLogger.Instance));

        Assert.Contains("permission denied", refused.ToString(), StringComparison.Ordinal);
        await db.ExecuteAsync($"DROP OWNED BY {role}; DROP ROLE {role}");
    }

    [Fact]
    public async Task A_file_that_fails_is_named_and_leaves_nothing_behind()
    {
        await using var db = await postgres.EmptyAsync();
        var failure = await Assert.ThrowsAsync<MigrationException>(() => ApplyAsync(db, Set("CREATE TABLE one (n int)", "CREATE TABLE two (n int); SELECT 1/0")));
        Assert.Contains("test/002_file2 failed: division by zero", failure.Message, StringComparison.Ordinal);
        Assert.Equal("one", await db.ScalarAsync<string>("SELECT string_agg(relname, ' ') FROM pg_class WHERE relname IN ('one', 'two')"));
        await ApplyAsync(db, Set("CREATE TABLE one (n int)", "CREATE TABLE two (n int)"));
    }

    [Fact]
    public async Task A_file_that_was_changed_after_it_was_applied_is_refused()
    {
        await using var db = await postgres.EmptyAsync();
        await ApplyAsync(db, Set("CREATE TABLE one (n int)"));
        var failure = await Assert.ThrowsAsync<MigrationException>(() => ApplyAsync(db, Set("CREATE TABLE one (n bigint)", "CREATE TABLE two (n int)")));
        Assert.StartsWith("Migration test/001_file1 differs", failure.Message, StringComparison.Ordinal);
        Assert.Contains("restore it", failure.Message, StringComparison.Ordinal);
        Assert.True(await db.ScalarAsync<bool>("SELECT to_regclass('two') IS NULL"));
    }

    [Theory]
    [InlineData("later files", "003_three")]
    [InlineData("another name", "002_two")]
    [InlineData("a squashed set", "003_three")]
    public async Task A_database_made_by_another_build_is_refused_with_the_remedy_and_left_alone(string build, string unknown)
    {
        await using var db = await postgres.EmptyAsync();
        Migration[] first = build == "another name" ? [File(1, "one"), File(2, "two")] : [File(1, "one"), File(2, "two"), File(3, "three")];
        Migration[] then = build switch
        {
            "later files" => [File(1, "one"), File(2, "two")],
            "another name" => [File(1, "one"), File(2, "deux"), File(3, "three")],
            _ => [new(1, "one", "CREATE TABLE all_of_it (n int)")],
        };
        await ApplyAsync(db, new("test", first));

        var failure = await Assert.ThrowsAsync<MigrationException>(() => ApplyAsync(db, new("test", then)));

        var database = await db.ScalarAsync<string>("SELECT current_database()");
        Assert.StartsWith($"Database {database} holds migration test/{unknown}, which this build does not know", failure.Message, StringComparison.Ordinal);
        Assert.Contains("drop the database (or delete the data folder) and start again", failure.Message, StringComparison.Ordinal);
        Assert.Equal(first.Length, await db.ScalarAsync<int>("SELECT count(*) FROM watchword.migration"));
        Assert.True(await db.ScalarAsync<bool>("SELECT to_regclass('deux') IS NULL AND to_regclass('all_of_it') IS NULL"));
    }

    [Fact]
    public async Task Other_sets_in_the_same_database_are_no_concern()
    {
        await using var db = await postgres.EmptyAsync();
        await ApplyAsync(db, new("another application's", [File(1, "theirs"), File(2, "theirs_too")]));
        await ApplyAsync(db, Set("CREATE TABLE one (n int)"));
        Assert.Equal(3, await db.ScalarAsync<int>("SELECT count(*) FROM watchword.migration"));
    }

    [Theory]
    [InlineData("postgres://ada:p%40ss@db.example:5433/id?sslmode=verify-full&application_name=x", "db.example|5433|ada|p@ss|id|VerifyFull|x")]
    [InlineData("postgresql://db/id", "db|5432|||id|Prefer|")]
    [InlineData("postgres:///id?host=/var/run/postgresql", "/var/run/postgresql|5432|||id|Prefer|")]
    [InlineData("postgres://[::1]:5433/id", "::1|5433|||id|Prefer|")]
    [InlineData("Host=db;Database=id;Username=ada", "db|5432|ada||id|Prefer|")]
    public void Urls_and_connection_strings_are_both_accepted(string text, string expected)
    {
        var s = new NpgsqlConnectionStringBuilder(DatabaseUrl.ToConnectionString(text));
        Assert.Equal(expected, string.Join('|', s.Host, s.Port, s.Username, s.Password, s.Database, s.SslMode, s.ApplicationName));
    }

    [Theory]
    [InlineData("postgres://ada@db", "names no database")]
    [InlineData("postgres:///id", "names no host")]
    [InlineData("postgres://db:port/id", "is not a URL")]
    [InlineData("postgres://db/id?sslmod=require", "sslmod")]
    [InlineData("mysql://db/id", "is neither")]
    [InlineData("Database=id", "names no host")]
    [InlineData(null, "is missing: set it")]
    [InlineData(" ", "is missing: set it")]
    public void Anything_else_is_refused_with_the_reason(string? text, string reason)
    {
        var refusal = Assert.Throws<FormatException>(() => DatabaseUrl.ToConnectionString(text));
        Assert.StartsWith("the database URL ", refusal.Message, StringComparison.Ordinal);
        Assert.Contains(reason, refusal.Message, StringComparison.Ordinal);
        Assert.StartsWith("DATABASE_URL ", Assert.Throws<FormatException>(() => DatabaseUrl.ToConnectionString(text, "DATABASE_URL")).Message, StringComparison.Ordinal);
    }
}
