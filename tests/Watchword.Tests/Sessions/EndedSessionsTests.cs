using Microsoft.Extensions.Logging.Abstractions;
using Npgsql;
using Watchword.Events.JetStream;
using Watchword.Server.Sessions;

namespace Watchword.Tests.Sessions;

/// <summary>The mirror is trusted only while it is fresh, and misses no transaction.</summary>
public class EndedSessionsTests(PostgresFixture postgres)
{
    private static CancellationToken Cancel => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_fresh_mirror_decides_and_a_stale_one_asks_the_database()
    {
        await using var room = await Room.OpenAsync(postgres);
        // Neither in the mirror nor in the database: the answer shows which of the two was asked.
        const string nowhere = "nowhere";

        Assert.True(await room.Mirror.HasEndedAsync(nowhere, Cancel), "before the first read, the mirror asks the database");
        await room.Mirror.CatchUpAsync(Cancel);
        Assert.False(await room.Mirror.HasEndedAsync(nowhere, Cancel));
        room.Clock.Advance(EndedSessions.Bound - TimeSpan.FromTicks(1));
        Assert.False(await room.Mirror.HasEndedAsync(nowhere, Cancel));
        room.Clock.Advance(TimeSpan.FromTicks(1));
        Assert.True(await room.Mirror.HasEndedAsync(nowhere, Cancel));
        Assert.False(await room.Mirror.HasEndedAsync("s1", Cancel), "the database says that this session is alive");
        await room.Mirror.CatchUpAsync(Cancel);
        Assert.False(await room.Mirror.HasEndedAsync(nowhere, Cancel));
    }

    [Fact]
    public async Task A_stale_mirror_without_a_database_fails_the_check()
    {
        await using var room = await Room.OpenAsync(postgres);
        await room.Mirror.CatchUpAsync(Cancel);
        room.Clock.Advance(EndedSessions.Bound);
        await room.Database.Source.DisposeAsync();
        await Assert.ThrowsAnyAsync<ObjectDisposedException>(async () => await room.Mirror.HasEndedAsync("s1", Cancel));
    }

    [Fact]
    public async Task The_next_read_finds_an_ended_session_and_keeps_it_after_the_row_is_deleted()
    {
        await using var room = await Room.OpenAsync(postgres);
        await room.Mirror.CatchUpAsync(Cancel);
        await room.Database.ExecuteAsync("DELETE FROM session WHERE id = 's1'");
        await room.Mirror.CatchUpAsync(Cancel);
        Assert.True(await room.Mirror.HasEndedAsync("s1", Cancel));
        Assert.False(await room.Mirror.HasEndedAsync("s2", Cancel));
        await room.Database.ExecuteAsync("DELETE FROM watchword.ended_session");
        await room.Mirror.CatchUpAsync(Cancel);
        Assert.True(await room.Mirror.HasEndedAsync("s1", Cancel));
    }

    [Fact]
    public async Task A_session_ended_long_before_its_transaction_committed_is_not_missed()
    {
        await using var room = await Room.OpenAsync(postgres);
        await using var slow = await room.Database.Source.OpenConnectionAsync(Cancel);
        await using var transaction = await slow.BeginTransactionAsync(Cancel);
        await using (var delete = new NpgsqlCommand("DELETE FROM session WHERE id = 's1'", slow, transaction))
            await delete.ExecuteNonQueryAsync(Cancel);
        await using (var age = new NpgsqlCommand("UPDATE watchword.ended_session SET ended_at = now() - interval '10 minutes'", slow, transaction))
            await age.ExecuteNonQueryAsync(Cancel);
        // Another session ends meanwhile, and is read.
        await room.Database.ExecuteAsync("DELETE FROM session WHERE id = 's2'");
        await room.Mirror.CatchUpAsync(Cancel);
        await room.Mirror.CatchUpAsync(Cancel);
        Assert.True(await room.Mirror.HasEndedAsync("s2", Cancel));
        Assert.False(await room.Mirror.HasEndedAsync("s1", Cancel));

        await transaction.CommitAsync(Cancel);
        await room.Mirror.CatchUpAsync(Cancel);

        Assert.True(await room.Mirror.HasEndedAsync("s1", Cancel));
    }

    [Fact]
    public async Task A_read_skips_the_transactions_of_earlier_reads()
    {
        await using var room = await Room.OpenAsync(postgres);
        await room.Database.ExecuteAsync("DELETE FROM session WHERE id = 's1'");
        await room.Mirror.CatchUpAsync(Cancel);
        // A row of an earlier transaction: a read that continues skips it.
        await room.Database.ExecuteAsync("INSERT INTO watchword.ended_session (session_id, ended_by) VALUES ('s2', '3')");
        await room.Mirror.CatchUpAsync(Cancel);
        Assert.False(await room.Mirror.HasEndedAsync("s2", Cancel));
        Assert.True(await room.Mirror.HasEndedAsync("s1", Cancel));
    }

    [Fact]
    public async Task A_new_process_knows_the_sessions_that_ended_before_it_started()
    {
        await using var room = await Room.OpenAsync(postgres);
        await room.Database.ExecuteAsync("DELETE FROM session WHERE id = 's1'; UPDATE watchword.ended_session SET ended_at = now() - interval '24 hours'");
        await room.Mirror.CatchUpAsync(Cancel);
        Assert.True(await room.Mirror.HasEndedAsync("s1", Cancel));
    }

    [Fact]
    public async Task A_session_is_forgotten_once_all_its_tokens_have_expired()
    {
        await using var room = await Room.OpenAsync(postgres);
        room.Mirror.Add("s2");
        await room.Mirror.CatchUpAsync(Cancel);
        Assert.True(await room.Mirror.HasEndedAsync("s2", Cancel));
        room.Clock.Advance(TimeSpan.FromHours(24));
        await room.Mirror.CatchUpAsync(Cancel);
        Assert.True(await room.Mirror.HasEndedAsync("s2", Cancel));
        room.Clock.Advance(TimeSpan.FromHours(2));
        await room.Mirror.CatchUpAsync(Cancel);
        Assert.False(await room.Mirror.HasEndedAsync("s2", Cancel));
    }

    private sealed class HandClock : TimeProvider
    {
        private long _ticks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _ticks;

        public override DateTimeOffset GetUtcNow() => DateTimeOffset.UnixEpoch.AddYears(56).AddTicks(_ticks);

        public void Advance(TimeSpan time) => _ticks += time.Ticks;
    }

    private sealed record Room(TestDatabase Database, JetStreamClient Nats, HandClock Clock, EndedSessions Mirror) : IAsyncDisposable
    {
        public static async Task<Room> OpenAsync(PostgresFixture postgres)
        {
            var database = await postgres.IdentityAsync();
            await database.ExecuteAsync("""
                INSERT INTO "user" (id, name, email, "emailVerified") VALUES ('u1', 'Ada', 'ada@example.com', false);
                INSERT INTO session (id, token, "userId", "expiresAt", "updatedAt")
                SELECT 's' || n, 't' || n, 'u1', now() + interval '1 day', now() FROM generate_series(1, 2) n
                """);
            var (nats, clock) = (JetStreamClient.Connect(new() { Url = "nats://127.0.0.1:1" }), new HandClock());
            return new(database, nats, clock, new(database.Source, await database.TablesAsync(), nats, clock, NullLogger<EndedSessions>.Instance));
        }

        public async ValueTask DisposeAsync()
        {
            Mirror.Dispose();
            await Nats.DisposeAsync();
            await Database.DisposeAsync();
        }
    }
}
