using Npgsql;
using Watchword.Events.Postgres;

namespace Watchword.Tests.Events.Postgres;

public class AdvisoryLeaseTests(PostgresFixture postgres)
{
    // A suspended process, or one whose machine lost its network: its connection still looks alive to the server.
    [Fact]
    public async Task A_holder_that_falls_silent_loses_the_lease_and_finds_out()
    {
        await using var db = await postgres.IdentityAsync();
        await using var silent = (await AdvisoryLease.TryAcquireAsync(db.Source, "test", default))!;
        AdvisoryLease? next = null;
        await Eventually.TrueAsync(async () => (next ??= await AdvisoryLease.TryAcquireAsync(db.Source, "test", default)) is not null, TimeSpan.FromSeconds(60));
        await using (next)
            await Assert.ThrowsAnyAsync<NpgsqlException>(() => silent.CheckAsync(default));
    }

    [Fact]
    public async Task A_released_lease_leaves_no_idle_timeout_on_its_pooled_connection()
    {
        await using var db = await postgres.IdentityAsync();
        await using var pool = NpgsqlDataSource.Create(new NpgsqlConnectionStringBuilder(db.ConnectionString) { MaxPoolSize = 1, NoResetOnClose = true });
        await using (var lease = await AdvisoryLease.TryAcquireAsync(pool, "test", default))
            Assert.NotNull(lease);
        await using var show = pool.CreateCommand("SHOW idle_session_timeout");
        Assert.Equal("0", await show.ExecuteScalarAsync());
    }
}
