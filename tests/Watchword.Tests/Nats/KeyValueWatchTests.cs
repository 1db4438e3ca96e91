using System.Globalization;
using Watchword.Nats;
using static Watchword.Tests.Nats.KeyValueTests;

namespace Watchword.Tests.Nats;

public class KeyValueWatchTests(NatsFixture nats)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_watch_tells_what_there_is_then_a_mark_then_what_happens()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var bucket = await FilledAsync(connection);
        await using var watch = bucket.WatchAsync(ct: Ct).GetAsyncEnumerator(Ct);

        Assert.Equal(["a=2 @3", "c=1 @4", "b Delete @5", "-"], await NextAsync(watch, 4));
        await bucket.PutAsync("d", "1"u8.ToArray(), Ct);
        await bucket.DeleteAsync("a", ct: Ct);
        await bucket.PurgeAsync("c", ct: Ct);
        Assert.Equal(["d=1 @6", "a Delete @7", "c Purge @8"], await NextAsync(watch, 3));
    }

    [Theory]
    [InlineData("a", "a=2 @3")]
    [InlineData("g.*", "g.x=1 @1")]
    [InlineData("g.>", "g.x=1 @1", "g.x.y=1 @2")]
    [InlineData("none.>")]
    public async Task A_watch_is_for_a_key_or_a_pattern(string filter, params string[] expected)
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var bucket = await BucketAsync(connection);
        foreach (var key in new[] { "g.x", "g.x.y", "a" })
            await bucket.PutAsync(key, key == "a" ? "2"u8.ToArray() : "1"u8.ToArray(), Ct);

        await using var watch = bucket.WatchAsync(filter, ct: Ct).GetAsyncEnumerator(Ct);
        Assert.Equal([.. expected, "-"], await NextAsync(watch, expected.Length + 1));
    }

    [Fact]
    public async Task A_watch_includes_history_leaves_out_deletions_values_or_all_that_was()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var bucket = await FilledAsync(connection);

        Assert.Equal(["a=1 @1", "b=1 @2", "a=2 @3", "c=1 @4", "b Delete @5", "-"], await BeginAsync(new() { IncludeHistory = true }, 6));
        Assert.Equal(["a=1 @1", "b=1 @2", "a=2 @3", "c=1 @4", "-"], await BeginAsync(new() { IncludeHistory = true, IgnoreDeletes = true }, 5));
        Assert.Equal(["a=2 @3", "c=1 @4", "-"], await BeginAsync(new() { IgnoreDeletes = true }, 3));
        Assert.Equal(["a= @3", "c= @4", "b Delete @5", "-"], await BeginAsync(new() { MetaOnly = true }, 4));
        Assert.Throws<ArgumentException>("options", () => bucket.WatchAsync(options: new() { IncludeHistory = true, UpdatesOnly = true }, ct: Ct));
        Assert.Throws<ArgumentException>("filter", () => bucket.WatchAsync("a>", ct: Ct));

        await using var updates = bucket.WatchAsync(options: new() { UpdatesOnly = true }, ct: Ct).GetAsyncEnumerator(Ct);
        Assert.Equal(["-"], await NextAsync(updates, 1)); // from here on it watches
        await bucket.PutAsync("a", "3"u8.ToArray(), Ct);
        Assert.Equal(["a=3 @6"], await NextAsync(updates, 1));

        async Task<List<string>> BeginAsync(KeyValueWatchOptions options, int count)
        {
            await using var watch = bucket.WatchAsync(options: options, ct: Ct).GetAsyncEnumerator(Ct);
            return await NextAsync(watch, count);
        }
    }

    [Fact]
    public async Task The_mark_comes_also_when_all_that_there_is_was_deleted_or_expired()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var bucket = await BucketAsync(connection);
        await bucket.PutAsync("a", default, Ct);
        await bucket.DeleteAsync("a", ct: Ct);
        await using (var watch = bucket.WatchAsync(options: new() { IgnoreDeletes = true }, ct: Ct).GetAsyncEnumerator(Ct))
            Assert.Equal(["-"], await NextAsync(watch, 1));

        await new JetStream(connection).PurgeStreamAsync("KV_b", ct: Ct);
        await using (var watch = bucket.WatchAsync(ct: Ct).GetAsyncEnumerator(Ct))
            Assert.Equal(["-"], await NextAsync(watch, 1));
    }

    [Fact]
    public async Task A_watch_goes_on_over_server_restarts_and_misses_nothing()
    {
        await using var server = new NatsServer();
        await server.StartAsync();
        await using var connection = new NatsConnection(new NatsOptions { Url = server.Url, RequestTimeout = TimeSpan.FromSeconds(1) });
        await connection.ConnectAsync(Ct);
        var bucket = await BucketAsync(connection, history: 64);
        await bucket.PutAsync("k", "start"u8.ToArray(), Ct);
        await using var watch = bucket.WatchAsync(ct: Ct).GetAsyncEnumerator(Ct);
        Assert.Equal(["k=start @1", "-"], await NextAsync(watch, 2));

        var revision = 1UL;
        for (var round = 0; round < 3; round++)
        {
            await server.RestartAsync();
            await Eventually.TrueAsync(() => Task.FromResult(connection.ReconnectCount == round + 1));
            await connection.WaitUntilOpenAsync(Ct);
            for (var i = 0; i < 10; i++)
                revision = await bucket.UpdateAsync("k", "x"u8.ToArray(), revision, Ct); // conditional, so that none is written twice
            Assert.Equal(
                Enumerable.Range((int)revision - 9, 10).Select(r => string.Create(CultureInfo.InvariantCulture, $"k=x @{r}")),
                await NextAsync(watch, 10));
        }
    }

    [Fact]
    public async Task A_watch_that_ends_leaves_no_consumer_behind_and_one_of_a_deleted_bucket_ends_with_a_reason()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = new JetStream(connection);
        var bucket = await FilledAsync(connection);
        await foreach (var entry in bucket.WatchAsync(ct: Ct))
            if (entry is null)
                break;
        Assert.Empty(await js.ListConsumerNamesAsync("KV_b", Ct).ToListAsync(Ct));

        using var limit = CancellationTokenSource.CreateLinkedTokenSource(Ct);
        await using (var watch = bucket.WatchAsync(ct: limit.Token).GetAsyncEnumerator(Ct))
        {
            await NextAsync(watch, 4);
            var next = watch.MoveNextAsync().AsTask();
            await limit.CancelAsync();
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => next);
        }

        Assert.Empty(await js.ListConsumerNamesAsync("KV_b", Ct).ToListAsync(Ct));
        await using (var watch = bucket.WatchAsync(ct: Ct).GetAsyncEnumerator(Ct))
        {
            await NextAsync(watch, 4);
            await js.DeleteBucketAsync("b", Ct);
            Assert.Equal(JetStreamApi.StreamNotFound, (await Assert.ThrowsAsync<JetStreamApiException>(async () => await watch.MoveNextAsync())).ErrorCode);
        }

        await Assert.ThrowsAsync<JetStreamApiException>(async () => await bucket.ListKeysAsync(ct: Ct).ToListAsync(Ct));
    }

    /// <summary>A bucket in which a has two revisions, c one, and b was deleted.</summary>
    private static async Task<KeyValueBucket> FilledAsync(NatsConnection connection)
    {
        var bucket = await BucketAsync(connection, history: 5);
        await bucket.PutAsync("a", "1"u8.ToArray(), Ct);
        await bucket.PutAsync("b", "1"u8.ToArray(), Ct);
        await bucket.PutAsync("a", "2"u8.ToArray(), Ct);
        await bucket.PutAsync("c", "1"u8.ToArray(), Ct);
        await bucket.DeleteAsync("b", ct: Ct);
        return bucket;
    }

    /// <summary>The next entries in short: "key=value @revision", "key Delete @revision", and "-" for the mark.</summary>
    private static async Task<List<string>> NextAsync(IAsyncEnumerator<KeyValueEntry?> watch, int count)
    {
        var seen = new List<string>();
        while (seen.Count < count && await watch.MoveNextAsync())
            seen.Add(watch.Current is not { } entry
                ? "-"
                : string.Create(CultureInfo.InvariantCulture, $"{entry.Key}{(entry.Operation == KeyValueOperation.Put ? "=" + Text(entry) : $" {entry.Operation}")} @{entry.Revision}"));
        return seen;
    }
}
