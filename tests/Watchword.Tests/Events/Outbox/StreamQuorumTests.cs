using Watchword.Events.Contracts;
using Watchword.Events.JetStream;
using Watchword.Events.Outbox;
using Watchword.Events.Postgres;

namespace Watchword.Tests.Events.Outbox;

/// <summary>A cluster of three, and one stream whose only replica is down: what has no quorum keeps nobody else waiting.</summary>
public class StreamQuorumTests(PostgresFixture postgres)
{
    private static readonly string[] Relayed = [Streams.AuthEvents.Name!, Streams.IdentityChanges.Name!];

    private static string Insert(int from, int to) => $"""
        INSERT INTO "user" (id, name, email, "emailVerified") SELECT 'u' || i, 'User ' || i, 'u' || i || '@example.com', false FROM generate_series({from}, {to}) i
        """;

    [Theory]
    [InlineData("auth-events")]
    [InlineData("identity-changes")]
    [InlineData("dead-letters")]
    public async Task A_stream_without_a_quorum_keeps_nobody_waiting_but_itself(string away)
    {
        await using var db = await postgres.IdentityAsync();
        await using var cluster = new NatsCluster();
        await cluster.StartAsync();
        var holder = await PlaceApartAsync(cluster, away);
        var nats = new NatsSettings { Url = string.Join(",", cluster.Nodes.Where(n => n != holder).Select(n => n.Url)) };
        var flowing = Relayed.Where(s => s != away).ToArray();

        await using (var running = await RelayHost.StartAsync(db, nats))
        {
            await db.ExecuteAsync(Insert(1, 10));
            await HaveAsync(running, Relayed, 10);
            await holder.KillAsync();
            await db.ExecuteAsync(Insert(11, 15));
            await HaveAsync(running, flowing, 15);   // in the sweep that found out
            await db.ExecuteAsync(Insert(16, 20));
            await HaveAsync(running, flowing, 20);
        }

        await using var relay = await RelayHost.StartAsync(db, nats);
        await db.ExecuteAsync("""UPDATE "user" SET name = 'newer'; SELECT watchword.append_auth_event('logged_in', id) FROM "user" ORDER BY length(id), id""");
        await HaveAsync(relay, flowing, 40);

        await holder.StartAsync();
        await HaveAsync(relay, Relayed, 40);
        foreach (var stream in Relayed)
        {
            await NatsCluster.EventuallyAsync(async () => await db.ScalarAsync<long>("SELECT count(*) FROM watchword.outbox WHERE published_at IS NULL") == 0);
            Assert.Equal(40, (await relay.JetStream.FindStreamAsync(stream))!.State.Messages);   // each once
            var ids = (await relay.JetStream.ReadAllAsync(stream)).Select(m => m.Headers.Find("Nats-Msg-Id"));
            Assert.Equal(await db.QueryAsync<string>($"SELECT id::text FROM watchword.outbox WHERE stream = '{stream}' ORDER BY position"), ids);
        }
    }

    [Fact]
    public async Task A_relay_that_no_stream_answers_lets_another_lead()
    {
        await using var db = await postgres.IdentityAsync();
        await using var cluster = new NatsCluster();
        await cluster.StartAsync();
        await PlaceApartAsync(cluster, Streams.AuthEvents.Name!);
        await using var relay = await RelayHost.StartAsync(db, new() { Url = cluster.Nodes[2].Url });
        await db.ExecuteAsync(Insert(1, 1));
        await HaveAsync(relay, Relayed, 1);
        await cluster.Nodes[0].KillAsync();
        await cluster.Nodes[1].KillAsync();

        await db.ExecuteAsync(Insert(2, 2));
        await Eventually.TrueAsync(async () =>
        {
            await using var lease = await AdvisoryLease.TryAcquireAsync(db.Source, "relay", default);
            return lease is not null;
        });
        Assert.True(relay.JetStream.IsOpen);
    }

    [Fact]
    public async Task Looking_for_the_events_of_one_stream_passes_over_none_of_the_other_s()
    {
        await using var db = await postgres.IdentityAsync();
        await db.ExecuteAsync($"""
            INSERT INTO watchword.outbox (position, id, stream, subject, key, payload, occurred_at)
            SELECT nextval('watchword.outbox_position'), gen_random_uuid(), 'auth-events', 'auth.user.logged_in', 'u' || i, '{"{}"}', now() FROM generate_series(1, 20000) i
            """);
        await db.ExecuteAsync(Insert(1, 10));
        await db.ExecuteAsync("ANALYZE watchword.outbox");
        var plan = string.Join('\n', await db.QueryAsync<string>("EXPLAIN (ANALYZE) " + RelaySweeper.Unpublished
            .Replace("$1", "'{u9}'::text[]", StringComparison.Ordinal).Replace("$2", "20000", StringComparison.Ordinal).Replace("$3", "'identity-changes'", StringComparison.Ordinal)));
        Assert.Matches(@"Limit .* rows=9 ", plan);
        Assert.DoesNotMatch(@"Rows Removed by Filter: \d\d", plan);
    }

    private static Task HaveAsync(RelayHost relay, string[] streams, int messages) => NatsCluster.EventuallyAsync(async () =>
    {
        foreach (var stream in streams)
            if ((await relay.JetStream.FindStreamAsync(stream))?.State.Messages < messages)
                return false;
        return true;
    });

    // Every stream has one replica, and that of the one stream stands alone on the server that this returns.
    private static async Task<NatsServer> PlaceApartAsync(NatsCluster cluster, string alone)
    {
        await using var connection = JetStreamClient.Connect(new() { Url = cluster.Url });
        await connection.WaitUntilOpenAsync(default);
        foreach (var stream in Streams.All)
            await cluster.PlaceAsync(connection, stream, cluster.Nodes[stream.Name == alone ? 0 : 1]);
        return cluster.Nodes[0];
    }
}
