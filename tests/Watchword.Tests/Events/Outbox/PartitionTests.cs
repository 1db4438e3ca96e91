using Microsoft.Extensions.Logging.Abstractions;
using Watchword.Events.Outbox;

namespace Watchword.Tests.Events.Outbox;

/// <summary>The outbox's days: made ahead, dropped after the retention, and never in the way of a change.</summary>
public class PartitionTests(PostgresFixture postgres)
{
    private const string Ada = """INSERT INTO "user" (id, name, email, "emailVerified") VALUES ('u1', 'Ada', 'ada@example.com', false)""";

    private static string Row(string at, bool published) => $"""
        INSERT INTO watchword.outbox (position, id, stream, subject, key, payload, occurred_at, published_at)
        VALUES (nextval('watchword.outbox_position'), gen_random_uuid(), 'identity-changes', 'user.sync', 'k', json_build_object(), {at}, {(published ? at : "NULL")})
        """;

    private static Task MaintainAsync(TestDatabase db) =>
        new OutboxMaintenance(db.Source, new RelayOptions(), NullLogger<OutboxMaintenance>.Instance).RunOnceAsync(default);

    [Fact]
    public async Task A_week_ahead_is_ready_and_a_change_lands_in_its_day()
    {
        await using var db = await postgres.IdentityAsync();
        await db.ExecuteAsync(Ada);
        Assert.Equal("outbox_" + DateTime.UtcNow.ToString("yyyyMMdd", System.Globalization.CultureInfo.InvariantCulture),
            await db.ScalarAsync<string>("SELECT DISTINCT tableoid::regclass::text FROM watchword.outbox") is var name ? name.Split('.')[^1] : "");
        Assert.Equal(9, await db.ScalarAsync<long>("SELECT count(*) FROM pg_class WHERE relname ~ '^outbox_[0-9]{8}$'"));
    }

    [Fact]
    public async Task Without_any_partition_a_change_still_succeeds_and_moves_to_its_day_later()
    {
        await using var db = await postgres.IdentityAsync();
        foreach (var table in await db.QueryAsync<string>("SELECT oid::regclass::text FROM pg_class WHERE relname ~ '^outbox_[0-9]{8}$'"))
            await db.ExecuteAsync("DROP TABLE " + table);
        await db.ExecuteAsync(Ada);
        Assert.Equal(2, await db.ScalarAsync<long>("SELECT count(*) FROM watchword.outbox_default"));

        await MaintainAsync(db);
        Assert.Equal(0, await db.ScalarAsync<long>("SELECT count(*) FROM watchword.outbox_default"));
        Assert.Equal(2, await db.ScalarAsync<long>("SELECT count(*) FROM watchword.outbox WHERE published_at IS NULL"));
    }

    [Fact]
    public async Task A_day_past_the_retention_is_dropped_unless_something_in_it_waits()
    {
        await using var db = await postgres.IdentityAsync();
        foreach (var days in (int[])[20, 10])
            await db.ExecuteAsync($"""
                DO $$ BEGIN EXECUTE format('CREATE TABLE watchword.outbox_%s PARTITION OF watchword.outbox FOR VALUES FROM (%L) TO (%L)',
                  to_char((now() AT TIME ZONE 'UTC')::date - {days}, 'YYYYMMDD'),
                  ((now() AT TIME ZONE 'UTC')::date - {days})::timestamp AT TIME ZONE 'UTC', ((now() AT TIME ZONE 'UTC')::date - {days - 1})::timestamp AT TIME ZONE 'UTC'); END $$
                """);
        await db.ExecuteAsync(Row("now() - interval '20 days'", published: false));
        await db.ExecuteAsync(Row("now() - interval '10 days'", published: true));

        await MaintainAsync(db);
        Assert.Equal(1, await db.ScalarAsync<long>("SELECT count(*) FROM watchword.outbox"));
        await db.ExecuteAsync("UPDATE watchword.outbox SET published_at = now()");
        await MaintainAsync(db);
        Assert.Equal(1, await db.ScalarAsync<long>("SELECT count(*) FROM watchword.outbox"));   // the stream has it for a week from now
        await db.ExecuteAsync("UPDATE watchword.outbox SET published_at = now() - interval '8 days'");
        await MaintainAsync(db);
        Assert.Equal(0, await db.ScalarAsync<long>("SELECT count(*) FROM watchword.outbox"));
    }

    [Theory]
    [InlineData("auth-events")]
    [InlineData("identity-changes")]
    public async Task The_backlog_of_a_stream_is_read_through_its_index(string stream)
    {
        await using var db = await postgres.IdentityAsync();
        await db.ExecuteAsync("""INSERT INTO "user" (id, name, email, "emailVerified") SELECT i, i, i || '@example.com', false FROM generate_series(1, 5000) i""");
        await db.ExecuteAsync("UPDATE watchword.outbox SET published_at = now() WHERE position % 100 > 0; ANALYZE watchword.outbox");
        var plan = string.Join('\n', await db.QueryAsync<string>("EXPLAIN " + RelaySweeper.Unpublished
            .Replace("$1", "'{}'::text[]", StringComparison.Ordinal).Replace("$2", "100", StringComparison.Ordinal).Replace("$3", $"'{stream}'", StringComparison.Ordinal)));
        Assert.Contains("Index Cond: (stream = ", plan, StringComparison.Ordinal);
        Assert.DoesNotContain("Seq Scan on outbox_" + DateTime.UtcNow.ToString("yyyyMMdd", System.Globalization.CultureInfo.InvariantCulture), plan, StringComparison.Ordinal);
    }
}
