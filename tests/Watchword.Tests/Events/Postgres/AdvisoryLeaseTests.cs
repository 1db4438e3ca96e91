using Npgsql;
using Watchword.Events.Postgres;

namespace Watchword.Tests.Events.Postgres;

public class AdvisoryLeaseTests(PostgresFixture postgres)
{
    // A process that was suspended, or whose machine lost its network: to the server its connection looks alive.
    [Fact]
    public async Task A_holder_that_says_nothing_any_more_loses_the_lease_and_learns_of_it()
    {
        await using var db = await postgres.IdentityAsync();
        await using var silent = (await AdvisoryLease.TryAcquireAsync(db.Source, "test", default))!;
        AdvisoryLease? next = null;
        await Eventually.TrueAsync(async () => (next ??= await AdvisoryLease.TryAcquireAsync(db.Source, "test", default)) is not null, TimeSpan.FromSeconds(60));
        await using (next)
            await Assert.ThrowsAnyAsync<NpgsqlException>(() => silent.CheckAsync(default));
    }

    [Fact]
    public async Task A_lease_that_is_given_back_leaves_no_connection_that_the_server_would_end()
    {
        await using var db = await postgres.IdentityAsync();
        await using var pool = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(db.ConnectionString) { MaxPoolSize = 1, NoResetOnClose = true });
        await using (var lease = await AdvisoryLease.TryAcquireAsync(pool, "test", default))
            Assert.NotNull(lease);
        await using var show = pool.CreateCommand("SHOW idle_session_timeout");
        Assert.Equal("0", await show.ExecuteScalarAsync());
    }
}
