using Npgsql;

namespace Watchword.Tests.Store;

/// <summary>Statements over many rows: set operations, in commit order per key, without deadlocks.</summary>
public class BulkCaptureTests(PostgresFixture postgres)
{
    private const int Users = 400;

    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    private static string Insert(int count) => $"""
        INSERT INTO "user" (id, name, email, "emailVerified") SELECT 'u' || i, 'User ' || i, 'user' || i || '@example.com', false FROM generate_series(1, {count}) i
        """;

    [Fact]
    public async Task Bulk_statements_that_overlap_end_without_a_deadlock_and_versions_rise_in_commit_order()
    {
        await using var database = await postgres.IdentityAsync();
        await database.ExecuteAsync(Insert(Users) + """
            ; INSERT INTO organization (id, name, slug, "createdAt") SELECT 'o' || i, 'o', 'o' || i, now() FROM generate_series(1, 20) i
            """);
        // Members of the same organizations and users, in opposite orders: their rows differ, only the entities are common.
        string[] work = [.. Enumerable.Range(0, 8).Select(w => $"""
            INSERT INTO member (id, "organizationId", "userId", role, "createdAt")
            SELECT 'm{w}-' || i, 'o' || {w} + 1 + i % 4, 'u' || i, 'member', now() FROM generate_series(1, {Users}) i ORDER BY i {(w % 2 == 0 ? "ASC" : "DESC")}
            """), .. Enumerable.Range(0, 4).Select(_ => """UPDATE member SET role = 'admin' WHERE role = 'member'""")];
        await Task.WhenAll(work.Select(sql => database.ExecuteAsync(sql)));

        // The rows of one transaction become visible together, and each key's versions rise from transaction to transaction.
        Assert.Equal(0, await database.ScalarAsync<int>("""
            SELECT count(*) FROM (
              SELECT key, position, lag((payload ->> 'version')::bigint) OVER (PARTITION BY key ORDER BY position) AS before, (payload ->> 'version')::bigint AS version
              FROM watchword.outbox WHERE stream = 'identity-changes') o WHERE version <> position OR before >= version
            """));
        Assert.Equal(0, await database.ScalarAsync<int>("""
            SELECT count(*) FROM watchword.entity_version e
            WHERE version <> (SELECT max(position) FROM watchword.outbox o WHERE o.key = e.id AND o.stream = 'identity-changes')
            """));
    }

    [Fact]
    public async Task A_statement_over_many_rows_notifies_once()
    {
        await using var database = await postgres.IdentityAsync();
        await database.ExecuteAsync(Insert(1000));
        await using var listener = await database.Source.OpenConnectionAsync(Cancel);
        var heard = 0;
        listener.Notification += (_, _) => heard++;
        await new NpgsqlCommand("LISTEN watchword_outbox", listener).ExecuteNonQueryAsync(Cancel);
        await database.ExecuteAsync("""UPDATE "user" SET name = name || '!'""");
        Assert.True(await listener.WaitAsync(TimeSpan.FromSeconds(30), Cancel));
        Assert.False(await listener.WaitAsync(TimeSpan.FromMilliseconds(50), Cancel));
        Assert.Equal(1, heard);
        Assert.Equal(1000, await database.ScalarAsync<int>("SELECT count(*) FROM watchword.outbox WHERE payload ->> 'event' = 'user.updated'"));
    }

    [Fact]
    public async Task A_writer_without_any_right_on_our_tables_is_captured_all_the_same()
    {
        await using var database = await postgres.IdentityAsync();
        await database.ExecuteAsync("""
            DO $$ BEGIN CREATE ROLE better_auth_writer LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
            GRANT ALL ON ALL TABLES IN SCHEMA public TO better_auth_writer
            """);
        await using var writer = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(database.ConnectionString) { Username = "better_auth_writer", Pooling = false }.ConnectionString);
        await using (var insert = writer.CreateCommand(Insert(1)))
            await insert.ExecuteNonQueryAsync(Cancel);
        Assert.Equal(2, await database.ScalarAsync<int>("SELECT count(*) FROM watchword.outbox"));
        await using var read = writer.CreateCommand("SELECT count(*) FROM watchword.outbox");
        Assert.Equal(PostgresErrorCodes.InsufficientPrivilege, (await Assert.ThrowsAsync<PostgresException>(() => read.ExecuteScalarAsync(Cancel))).SqlState);
    }

    [Fact]
    public async Task A_column_of_a_type_without_equality_does_no_harm()
    {
        await using var database = await postgres.IdentityAsync();
        await database.ExecuteAsync("""ALTER TABLE "user" ADD COLUMN extra json; ALTER TABLE organization ADD COLUMN place point;""");
        await database.ExecuteAsync(Insert(2));
        await database.ExecuteAsync("""UPDATE "user" SET extra = '{}'; UPDATE "user" SET extra = '{}'; INSERT INTO organization (id, name, slug, "createdAt", place) VALUES ('o1', 'Acme', 'acme', now(), '(1,2)'); UPDATE organization SET place = '(2,3)'""");
        Assert.Equal(2, await database.ScalarAsync<int>("SELECT count(*) FROM watchword.outbox WHERE payload ->> 'event' = 'user.updated'"));
    }
}
