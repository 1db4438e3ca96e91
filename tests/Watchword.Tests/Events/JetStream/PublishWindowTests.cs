using NATS.Client.Core;
using NATS.Client.JetStream;
using Watchword.Events.JetStream;

namespace Watchword.Tests.Events.JetStream;

/// <summary>Publishing with many acks outstanding, while the server is there: what is stored, and what is refused.</summary>
public class PublishWindowTests(NatsFixture nats)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Every_message_gets_exactly_one_result()
    {
        const int Count = 5_000;
        await using var client = await StreamAsync();
        var window = await PublishWindow.OpenAsync(client, 64, Ct);
        for (var i = 1; i <= Count; i++)
            await window.PublishAsync("s.x", [], [], i, Ct);
        List<PublishResult> results = [];
        while (results.Count < Count)
            results.Add(await window.Results.ReadAsync(Ct));
        await window.DisposeAsync();
        await foreach (var surplus in window.Results.ReadAllAsync(Ct))
            results.Add(surplus);

        Assert.All(results, r => Assert.Null(r.Error));
        // One connection, one stream: what was sent first is stored first.
        Assert.Equal(Enumerable.Range(1, Count).Select(i => (i, (ulong)i)), results.Select(r => ((int)r.Tag, r.Sequence)).Order());
    }

    [Fact]
    public async Task An_id_that_the_stream_has_already_counts_as_stored()
    {
        await using var client = await StreamAsync();
        await using var window = await PublishWindow.OpenAsync(client, 2, Ct);

        var first = await SendAsync(window, "s.x", [], new() { ["Nats-Msg-Id"] = "a" });
        var again = await SendAsync(window, "s.x", [], new() { ["Nats-Msg-Id"] = "a" });

        Assert.Equal((null, 1UL), (first.Error, first.Sequence));
        Assert.Equal((null, 1UL), (again.Error, again.Sequence));
    }

    [Fact]
    public async Task A_message_larger_than_the_server_takes_is_refused_and_leaves_its_place_free()
    {
        await using var client = await StreamAsync();
        await using var window = await PublishWindow.OpenAsync(client, 1, Ct);

        var refused = await Assert.ThrowsAnyAsync<NatsException>(async () => await window.PublishAsync("s.x", new byte[(1 << 20) + 1], [], 1, Ct));

        Assert.True(refused.IsTooLarge());
        Assert.False(refused.IsTransient());
        Assert.Equal(1UL, (await SendAsync(window, "s.x", [1], [])).Sequence);
    }

    [Fact]
    public async Task A_message_larger_than_the_stream_takes_is_a_refusal_of_that_message_alone()
    {
        await using var client = await nats.TakeAccount().ConnectAsync(Ct);
        await client.CreateStreamAsync(new() { Name = "s", Subjects = ["s.*"], MaxMsgSize = 100 });
        await using var window = await PublishWindow.OpenAsync(client, 2, Ct);

        var large = await SendAsync(window, "s.x", new byte[1_000], []);
        var small = await SendAsync(window, "s.x", new byte[10], []);

        Assert.True(large.Error!.IsTooLarge());
        Assert.Null(small.Error);
    }

    [Fact]
    public async Task A_subject_that_no_stream_takes_is_named()
    {
        await using var client = await StreamAsync();
        await using var window = await PublishWindow.OpenAsync(client, 2, Ct);

        Assert.Contains("no stream takes nobody.takes.this", (await SendAsync(window, "nobody.takes.this", [], [])).Error!.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_denied_subject_is_named_at_once_and_stops_no_other()
    {
        await using var server = new NatsServer("""authorization { users: [ { user: u, password: p, permissions: { publish: { deny: ["s.closed"] } } } ] }""");
        await server.StartAsync();
        await using var client = JetStreamClient.Connect(new() { Url = server.UrlOf("u", "p") });
        await client.WaitUntilOpenAsync(Ct);
        await client.CreateStreamAsync(new() { Name = "s", Subjects = ["s.*"] });
        await using var window = await PublishWindow.OpenAsync(client, 10, Ct);
        var since = Environment.TickCount64;

        await window.PublishAsync("s.closed", [], [], 1, Ct);
        await window.PublishAsync("s.open", [], [], 2, Ct);
        PublishResult[] results = [await window.Results.ReadAsync(Ct), await window.Results.ReadAsync(Ct)];

        Assert.InRange(Environment.TickCount64 - since, 0, 3_000);   // well within the ack time-out
        Assert.Null(results.Single(r => r.Tag == 2).Error);
        var denied = Assert.IsType<NatsDeniedException>(results.Single(r => r.Tag == 1).Error);
        Assert.Contains("publish to s.closed", denied.Message, StringComparison.Ordinal);
        Assert.False(denied.IsTransient());
    }

    [Fact]
    public async Task A_chain_that_breaks_refuses_everything_behind_it()
    {
        await using var client = await StreamAsync();
        await using var window = await PublishWindow.OpenAsync(client, 10, Ct);
        foreach (var (id, expected) in ((long, string?)[])[(1, null), (2, "1"), (3, "somebody else's"), (4, "3"), (5, "4")])
        {
            var headers = new NatsHeaders { ["Nats-Msg-Id"] = $"{id}" };
            if (expected is not null)
                headers["Nats-Expected-Last-Msg-Id"] = expected;
            await window.PublishAsync("s.x", [], headers, id, Ct);
        }
        List<PublishResult> results = [];
        while (results.Count < 5)
            results.Add(await window.Results.ReadAsync(Ct));

        Assert.Equal([1, 2], results.Where(r => r.Error is null).Select(r => r.Tag));
        Assert.All(results.Where(r => r.Tag > 2), r => Assert.Equal(NatsErrors.WrongLastMessageId, Assert.IsType<NatsJSApiException>(r.Error).Error.ErrCode));
        Assert.Equal(2, (await client.FindStreamAsync("s"))!.State.Messages);
    }

    private async Task<JetStreamClient> StreamAsync()
    {
        var client = await nats.TakeAccount().ConnectAsync(Ct);
        await client.CreateStreamAsync(new() { Name = "s", Subjects = ["s.*"] });
        return client;
    }

    private static async Task<PublishResult> SendAsync(PublishWindow window, string subject, byte[] payload, NatsHeaders headers)
    {
        await window.PublishAsync(subject, payload, headers, 0, Ct);
        return await window.Results.ReadAsync(Ct);
    }
}
