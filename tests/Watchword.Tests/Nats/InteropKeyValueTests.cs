using System.Text.Json;
using Watchword.Nats;
using static Watchword.Tests.Nats.KeyValueTests;

namespace Watchword.Tests.Nats;

/// <summary>One bucket, used by us and by the official JavaScript client.</summary>
public class InteropKeyValueTests(NatsFixture nats)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task What_we_write_the_official_client_reads()
    {
        var account = nats.TakeAccount();
        await using var connection = await account.ConnectAsync(Ct);
        var config = new KeyValueConfig { Bucket = "b", History = 5, TimeToLive = TimeSpan.FromMinutes(5), Description = "ours", MaxValueSize = 500, MaxBytes = 100_000, Storage = StreamStorage.Memory };
        var bucket = await new JetStream(connection).CreateBucketAsync(config, Ct);
        await bucket.PutAsync("a.b", "grüße"u8.ToArray(), Ct);
        await bucket.UpdateAsync("a.b", "2"u8.ToArray(), 1, Ct);
        await bucket.PutAsync("deleted", "x"u8.ToArray(), Ct);
        await bucket.DeleteAsync("deleted", ct: Ct);
        await bucket.PutAsync("purged", "x"u8.ToArray(), Ct);
        await bucket.PurgeAsync("purged", ct: Ct);
        await bucket.CreateAsync("c/d=e", "new"u8.ToArray(), Ct);

        var results = await RunAsync(
            account,
            ["status"], ["get", "a.b"], ["get", "deleted"], ["get", "none"], ["keys"], ["history", "a.b"], ["history", "deleted"], ["history", "purged"],
            ["update", "a.b", "3", 1], ["update", "a.b", "3", 2], ["create", "a.b", "4"], ["create", "deleted", "again"]);

        var status = results[0];
        Assert.Equal((5, 300_000, "ours"), (status.GetProperty("history").GetInt32(), status.GetProperty("ttl").GetInt32(), status.GetProperty("description").GetString()));
        Assert.Equal((500, 100_000, "memory"), (status.GetProperty("max_msg_size").GetInt32(), status.GetProperty("max_bytes").GetInt32(), status.GetProperty("storage").GetString()));
        Assert.Equal("a.b PUT 2 @2", results[1].GetString());
        Assert.Equal("deleted DEL  @4", results[2].GetString());
        Assert.Equal(JsonValueKind.Null, results[3].ValueKind);
        Assert.Equal(["a.b", "c/d=e"], Texts(results[4]).Order());
        Assert.Equal(["a.b PUT grüße @1", "a.b PUT 2 @2"], Texts(results[5]));
        Assert.Equal(["deleted PUT x @3", "deleted DEL  @4"], Texts(results[6]));
        Assert.Equal(["purged PURGE  @6"], Texts(results[7]));
        Assert.Equal(10071, results[8].GetProperty("error").GetInt32());
        Assert.Equal(8, results[9].GetInt32());
        Assert.Equal(10071, results[10].GetProperty("error").GetInt32());
        Assert.Equal(9, results[11].GetInt32());
        Assert.Equal("3", Text((await bucket.GetAsync("a.b", Ct))!));
    }

    [Fact]
    public async Task What_the_official_client_writes_we_read()
    {
        var account = nats.TakeAccount();
        await using var connection = await account.ConnectAsync(Ct);
        var options = new { history = 5, ttl = 300_000, description = "theirs", maxValueSize = 500, max_bytes = 100_000, storage = "memory" };
        var results = await RunAsync(
            account, options,
            ["put", "a.b", "grüße"], ["update", "a.b", "2", 1], ["put", "deleted", "x"], ["delete", "deleted"], ["put", "purged", "x"], ["purge", "purged"], ["create", "c/d=e", "new"]);
        Assert.Equal(JsonValueKind.Number, results[^1].ValueKind);

        var bucket = (await new JetStream(connection).FindBucketAsync("b", Ct))!;
        Assert.Equal(
            new KeyValueConfig { Bucket = "b", History = 5, TimeToLive = TimeSpan.FromMinutes(5), Description = "theirs", MaxValueSize = 500, MaxBytes = 100_000, Storage = StreamStorage.Memory },
            (await bucket.GetStatusAsync(Ct))!.Config);
        Assert.Equal(("2", 2UL), (Text((await bucket.GetAsync("a.b", Ct))!), (await bucket.GetAsync("a.b", Ct))!.Revision));
        Assert.Equal("grüße", Text((await bucket.GetAsync("a.b", 1, Ct))!));
        Assert.Null(await bucket.GetAsync("deleted", Ct));
        Assert.Null(await bucket.GetAsync("purged", Ct));
        Assert.Equal(["a.b", "c/d=e"], await bucket.ListKeysAsync(ct: Ct).ToListAsync(Ct));
        Assert.Equal([KeyValueOperation.Put, KeyValueOperation.Delete], (await bucket.GetHistoryAsync("deleted", Ct)).Select(e => e.Operation));
        Assert.Equal(KeyValueOperation.Purge, Assert.Single(await bucket.GetHistoryAsync("purged", Ct)).Operation);
        await Assert.ThrowsAsync<NatsKeyRevisionException>(() => bucket.CreateAsync("a.b", default, Ct));
        Assert.Equal(8UL, await bucket.CreateAsync("purged", "again"u8.ToArray(), Ct));
        Assert.Equal(9UL, await bucket.UpdateAsync("a.b", default, 2, Ct));
    }

    [Fact]
    public async Task Each_side_watches_what_the_other_does()
    {
        var account = nats.TakeAccount();
        await using var connection = await account.ConnectAsync(Ct);
        var bucket = await BucketAsync(connection, history: 3);
        await bucket.PutAsync("a", "1"u8.ToArray(), Ct);
        await using var ready = await connection.SubscribeAsync("js.ready", ct: Ct);
        await connection.PingAsync(Ct);
        var theirs = RunAsync(account, (object[])["watch"]);
        await InteropTests.FirstAsync(ready, Task.Run(async () => string.Join(' ', await theirs), Ct));
        await bucket.DeleteAsync("a", ct: Ct);
        await bucket.PutAsync("b", "2"u8.ToArray(), Ct);
        await bucket.PurgeAsync("b", ct: Ct);
        await bucket.PutAsync("end", default, Ct);
        Assert.Equal(["a PUT 1 @1", "a DEL  @2", "b PUT 2 @3", "b PURGE  @4", "end PUT  @5"], Texts((await theirs)[0]));

        await using var ours = bucket.WatchAsync(options: new() { UpdatesOnly = true }, ct: Ct).GetAsyncEnumerator(Ct);
        Assert.True(await ours.MoveNextAsync() && ours.Current is null);
        await RunAsync(account, ["put", "a", "3"], ["delete", "a"], ["purge", "a"]);
        var seen = new List<(string, string, KeyValueOperation, ulong)>();
        while (seen.Count < 3 && await ours.MoveNextAsync())
            seen.Add((ours.Current!.Key, Text(ours.Current), ours.Current.Operation, ours.Current.Revision));
        Assert.Equal([("a", "3", KeyValueOperation.Put, 6UL), ("a", "", KeyValueOperation.Delete, 7UL), ("a", "", KeyValueOperation.Purge, 8UL)], seen);
    }

    private static Task<List<JsonElement>> RunAsync(NatsAccount account, params object[][] steps) => RunAsync(account, new { }, steps);

    private static async Task<List<JsonElement>> RunAsync(NatsAccount account, object options, params object[][] steps)
    {
        var output = await Node.RunAsync("keyvalue.mjs", JsonSerializer.Serialize(new { nats = account.Url, bucket = "b", options, steps }));
        return [.. JsonSerializer.Deserialize<JsonElement>(output).EnumerateArray()];
    }

    private static IEnumerable<string> Texts(JsonElement list) => list.EnumerateArray().Select(e => e.GetString()!);
}
