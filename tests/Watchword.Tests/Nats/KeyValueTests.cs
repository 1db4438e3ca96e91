using System.Collections.Concurrent;
using System.Globalization;
using System.Text;
using Watchword.Nats;

namespace Watchword.Tests.Nats;

public class KeyValueTests(NatsFixture nats)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_bucket_is_created_found_listed_and_deleted()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = new JetStream(connection);
        await js.CreateStreamAsync(new StreamConfig { Name = "KV", Subjects = ["$KV"] }, Ct); // no bucket
        Assert.Null(await js.FindBucketAsync("b", Ct));
        var config = new KeyValueConfig
        {
            Bucket = "b",
            Description = "settings",
            History = 5,
            TimeToLive = TimeSpan.FromMinutes(1),
            MaxValueSize = 1000,
            MaxBytes = 1_000_000,
            Storage = StreamStorage.Memory,
        };
        await js.CreateBucketAsync(config, Ct);
        await js.CreateBucketAsync(config, Ct);
        var error = await Assert.ThrowsAsync<JetStreamApiException>(() => js.CreateBucketAsync(config with { History = 6 }, Ct));
        Assert.Equal(10058, error.ErrorCode); // it exists otherwise

        var bucket = (await js.FindBucketAsync("b", Ct))!;
        await bucket.PutAsync("k", "value"u8.ToArray(), Ct);
        await bucket.PutAsync("k", "value"u8.ToArray(), Ct);
        var status = (await bucket.GetStatusAsync(Ct))!;
        Assert.Equal((config, 2UL, true), (status.Config, status.Values, status.Bytes > 10));
        var stream = (await js.FindStreamAsync("KV_b", Ct))!.Config;
        Assert.Equal((true, true, true, StreamDiscard.New), (stream.AllowDirect, stream.AllowRollup, stream.DenyDelete, stream.Discard));
        Assert.Equal(TimeSpan.FromMinutes(1), stream.DuplicateWindow);

        await js.CreateBucketAsync(new KeyValueConfig { Bucket = "a" }, Ct);
        Assert.Equal(["a", "b"], await js.ListBucketNamesAsync(Ct).Order().ToListAsync(Ct));
        Assert.True(await js.DeleteBucketAsync("b", Ct));
        Assert.False(await js.DeleteBucketAsync("b", Ct));
        Assert.Null(await bucket.GetStatusAsync(Ct));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_value_is_put_and_read_by_key_and_by_revision(bool direct)
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = new JetStream(connection);
        await js.CreateBucketAsync(new KeyValueConfig { Bucket = "b", History = 3 }, Ct);
        if (!direct)
            await js.UpdateStreamAsync((await js.FindStreamAsync("KV_b", Ct))!.Config with { AllowDirect = false, MaxMessagesPerSubject = -1 }, Ct);
        var bucket = (await js.FindBucketAsync("b", Ct))!;

        Assert.Null(await bucket.GetAsync("users.1", Ct));
        Assert.Equal(1UL, await bucket.PutAsync("users.1", "one"u8.ToArray(), Ct));
        Assert.Equal(2UL, await bucket.PutAsync("users.2", default, Ct));
        Assert.Equal(3UL, await bucket.PutAsync("users.1", "three"u8.ToArray(), Ct));

        var entry = (await bucket.GetAsync("users.1", Ct))!;
        Assert.Equal(("b", "users.1", "three", 3UL, KeyValueOperation.Put), (entry.Bucket, entry.Key, Text(entry), entry.Revision, entry.Operation));
        Assert.InRange(entry.Created, DateTimeOffset.UtcNow.AddMinutes(-1), DateTimeOffset.UtcNow.AddMinutes(1));
        Assert.Equal("one", Text((await bucket.GetAsync("users.1", 1, Ct))!));
        Assert.True((await bucket.GetAsync("users.2", Ct))!.Value.IsEmpty);
        Assert.Null(await bucket.GetAsync("users.1", 2, Ct)); // the other's
        Assert.Null(await bucket.GetAsync("users.1", 9, Ct));
    }

    [Fact]
    public async Task Create_takes_a_new_key_or_one_that_was_deleted()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var bucket = await BucketAsync(connection);

        Assert.Equal(1UL, await bucket.CreateAsync("k", "a"u8.ToArray(), Ct));
        var error = await Assert.ThrowsAsync<NatsKeyRevisionException>(() => bucket.CreateAsync("k", "b"u8.ToArray(), Ct));
        Assert.Equal(("b", "k", 0UL, false), (error.Bucket, error.Key, error.Expected, error.IsTransient));
        Assert.Contains("exists already", error.Message, StringComparison.Ordinal);

        await bucket.DeleteAsync("k", ct: Ct);
        Assert.Equal(3UL, await bucket.CreateAsync("k", "c"u8.ToArray(), Ct));
        await bucket.PurgeAsync("k", ct: Ct);
        Assert.Equal(5UL, await bucket.CreateAsync("k", "d"u8.ToArray(), Ct));
        Assert.Equal("d", Text((await bucket.GetAsync("k", Ct))!));
    }

    [Fact]
    public async Task Of_twenty_that_create_the_same_key_one_wins()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var bucket = await BucketAsync(connection);
        foreach (var deletedBefore in new[] { false, true })
        {
            var winners = new ConcurrentBag<int>();
            var losers = 0;
            await Task.WhenAll(Enumerable.Range(0, 20).Select(i => Task.Run(
                async () =>
                {
                    try
                    {
                        await bucket.CreateAsync("k", BitConverter.GetBytes(i), Ct);
                        winners.Add(i);
                    }
                    catch (NatsKeyRevisionException)
                    {
                        Interlocked.Increment(ref losers);
                    }
                },
                Ct)));

            Assert.Equal(19, losers);
            Assert.Equal(Assert.Single(winners), BitConverter.ToInt32((await bucket.GetAsync("k", Ct))!.Value.Span));
            if (!deletedBefore)
                await bucket.DeleteAsync("k", ct: Ct);
        }
    }

    [Fact]
    public async Task A_write_for_another_revision_is_refused()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var bucket = await BucketAsync(connection);
        await bucket.PutAsync("other", default, Ct);
        var first = await bucket.PutAsync("k", "a"u8.ToArray(), Ct);
        var second = await bucket.UpdateAsync("k", "b"u8.ToArray(), first, Ct);

        var error = await Assert.ThrowsAsync<NatsKeyRevisionException>(() => bucket.UpdateAsync("k", "c"u8.ToArray(), first, Ct));
        Assert.Equal((first, "Key 'k' of bucket b is not at revision 2 any more."), (error.Expected, error.Message));
        await Assert.ThrowsAsync<NatsKeyRevisionException>(() => bucket.DeleteAsync("k", first, Ct));
        await Assert.ThrowsAsync<NatsKeyRevisionException>(() => bucket.PurgeAsync("k", first, Ct));
        Assert.Equal(("b", second), (Text((await bucket.GetAsync("k", Ct))!), (await bucket.GetAsync("k", Ct))!.Revision));

        var third = await bucket.DeleteAsync("k", second, Ct);
        await bucket.PurgeAsync("k", third, Ct);
        Assert.Null(await bucket.GetAsync("k", Ct));
    }

    [Fact]
    public async Task Delete_keeps_the_history_and_purge_does_not()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var bucket = await BucketAsync(connection, history: 4);
        Assert.Empty(await bucket.GetHistoryAsync("k", Ct));
        for (var i = 1; i <= 5; i++)
            await bucket.PutAsync("k", Encoding.ASCII.GetBytes(i.ToString(CultureInfo.InvariantCulture)), Ct);
        await bucket.PutAsync("kk", default, Ct);
        await bucket.DeleteAsync("k", ct: Ct);

        Assert.Null(await bucket.GetAsync("k", Ct));
        Assert.Null(await bucket.GetAsync("k", 7, Ct));
        var history = await bucket.GetHistoryAsync("k", Ct);
        Assert.Equal(["3", "4", "5", ""], history.Select(Text));
        Assert.Equal([3UL, 4UL, 5UL, 7UL], history.Select(e => e.Revision));
        Assert.Equal([3UL, 2UL, 1UL, 0UL], history.Select(e => e.Delta));
        Assert.Equal(KeyValueOperation.Delete, history[^1].Operation);

        await bucket.PurgeAsync("k", ct: Ct);
        Assert.Equal((KeyValueOperation.Purge, 8UL), (Assert.Single(await bucket.GetHistoryAsync("k", Ct)).Operation, (await bucket.GetHistoryAsync("k", Ct))[0].Revision));
        Assert.Null(await bucket.GetAsync("k", Ct));
        Assert.Equal("kk", await bucket.ListKeysAsync(ct: Ct).SingleAsync(Ct));
    }

    [Fact]
    public async Task Values_expire_after_their_time()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = new JetStream(connection);
        var bucket = await js.CreateBucketAsync(new KeyValueConfig { Bucket = "b", TimeToLive = TimeSpan.FromMilliseconds(500) }, Ct);
        await bucket.PutAsync("k", "v"u8.ToArray(), Ct);
        Assert.NotNull(await bucket.GetAsync("k", Ct));

        await Eventually.TrueAsync(async () => await bucket.GetAsync("k", Ct) is null);
        Assert.Empty(await bucket.ListKeysAsync(ct: Ct).ToListAsync(Ct));
        await bucket.CreateAsync("k", "w"u8.ToArray(), Ct);
    }

    [Fact]
    public async Task The_bounds_of_a_bucket_are_kept()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = new JetStream(connection);
        var bucket = await js.CreateBucketAsync(new KeyValueConfig { Bucket = "b", MaxValueSize = 100, MaxBytes = 1000 }, Ct);

        Assert.Equal(10054, (await Assert.ThrowsAsync<JetStreamApiException>(() => bucket.PutAsync("k", new byte[101], Ct))).ErrorCode);
        for (var i = 0; i < 5; i++)
            await bucket.PutAsync($"k{i}", new byte[100], Ct);
        Assert.Equal(10077, (await Assert.ThrowsAsync<JetStreamApiException>(async () =>
        {
            for (var i = 5; i < 20; i++)
                await bucket.PutAsync($"k{i}", new byte[100], Ct);
        })).ErrorCode);
        Assert.NotNull(await bucket.GetAsync("k0", Ct)); // nothing was pushed out
    }

    [Fact]
    public async Task Keys_are_listed_however_many_they_are()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var bucket = await BucketAsync(connection);
        await using var publisher = new JetStream(connection).CreatePublisher();
        var keys = Enumerable.Range(0, 3500).Select(i => $"g{i % 7}.{i}").ToList();
        foreach (var (key, i) in keys.Select((key, i) => (key, i)))
            await publisher.PublishAsync("$KV.b." + key, BitConverter.GetBytes(i), headers: null, i, Ct);
        await JetStreamPublishTests.TakeAsync(publisher, keys.Count);
        await bucket.DeleteAsync("g0.0", ct: Ct);
        await bucket.PurgeAsync("g1.1", ct: Ct);

        Assert.Equal(keys.Except(["g0.0", "g1.1"]), await bucket.ListKeysAsync(ct: Ct).ToListAsync(Ct));
        Assert.Equal(499, await bucket.ListKeysAsync("g0.>", Ct).CountAsync(Ct));
        Assert.Equal("g3.3", await bucket.ListKeysAsync("*.3", Ct).SingleAsync(Ct));
        Assert.Empty(await bucket.ListKeysAsync("none", Ct).ToListAsync(Ct));
    }

    [Theory]
    [InlineData("")]
    [InlineData(".a")]
    [InlineData("a.")]
    [InlineData("a..b")]
    [InlineData("a b")]
    [InlineData("a*")]
    [InlineData("a.>")]
    [InlineData("ä")]
    [InlineData("a:b")]
    [InlineData("a\r\nb")]
    [InlineData("_kv.internal")]
    public async Task A_key_that_cannot_be_is_refused(string text)
    {
        await using var connection = new NatsConnection(new NatsOptions());
        var bucket = new KeyValueBucket(new JetStream(connection), new KeyValueConfig { Bucket = "b" }.ToStream());

        await Assert.ThrowsAsync<ArgumentException>("key", () => bucket.PutAsync(text, default, Ct));
        await Assert.ThrowsAsync<ArgumentException>("key", () => bucket.GetAsync(text, Ct));
        await Assert.ThrowsAsync<ArgumentException>("key", () => bucket.GetAsync(text, 1, Ct));
        await Assert.ThrowsAsync<ArgumentException>("key", () => bucket.CreateAsync(text, default, Ct));
        await Assert.ThrowsAsync<ArgumentException>("key", () => bucket.UpdateAsync(text, default, 1, Ct));
        await Assert.ThrowsAsync<ArgumentException>("key", () => bucket.DeleteAsync(text, ct: Ct));
        await Assert.ThrowsAsync<ArgumentException>("key", () => bucket.PurgeAsync(text, ct: Ct));
        await Assert.ThrowsAsync<ArgumentException>("key", () => bucket.GetHistoryAsync(text, Ct));
    }

    [Theory]
    [InlineData("a")]
    [InlineData("A-b_c/d=e.f.9")]
    [InlineData("=/-_")]
    public void A_key_that_can_be_is_taken(string key)
    {
        KeyValueKey.Check(key);
        KeyValueKey.CheckPattern(key);
    }

    [Theory]
    [InlineData("a.*.b", true)]
    [InlineData("*", true)]
    [InlineData(">", true)]
    [InlineData("a.>", true)]
    [InlineData(">.a", false)]
    [InlineData("a*", false)]
    [InlineData("a.b>", false)]
    [InlineData("a..>", false)]
    [InlineData("a b", false)]
    public void A_pattern_has_whole_wildcards(string filter, bool isValid)
        => Assert.Equal(isValid, Record.Exception(() => KeyValueKey.CheckPattern(filter)) is null);

    [Fact]
    public async Task A_bucket_that_cannot_be_is_refused()
    {
        await using var connection = new NatsConnection(new NatsOptions());
        var js = new JetStream(connection);

        await Assert.ThrowsAsync<ArgumentException>("bucket", () => js.FindBucketAsync("a.b", Ct));
        await Assert.ThrowsAsync<ArgumentException>("bucket", () => js.CreateBucketAsync(new KeyValueConfig { Bucket = "ä" }, Ct));
        await Assert.ThrowsAsync<ArgumentException>("config", () => js.CreateBucketAsync(new KeyValueConfig { Bucket = "b", History = 65 }, Ct));
        await Assert.ThrowsAsync<ArgumentException>("config", () => js.CreateBucketAsync(new KeyValueConfig { Bucket = "b", History = 0 }, Ct));
        await Assert.ThrowsAsync<ArgumentException>("config", () => js.CreateBucketAsync(new KeyValueConfig { Bucket = "b", TimeToLive = TimeSpan.FromMilliseconds(1) }, Ct));
    }

    internal static string Text(KeyValueEntry entry) => Encoding.UTF8.GetString(entry.Value.Span);

    internal static Task<KeyValueBucket> BucketAsync(NatsConnection connection, int history = 1)
        => new JetStream(connection).CreateBucketAsync(new KeyValueConfig { Bucket = "b", History = history }, Ct);
}
