using System.Globalization;
using System.Text;
using Watchword.Nats;

namespace Watchword.Tests.Nats;

public class StreamManagementTests(NatsFixture nats)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Streams_are_listed_over_the_servers_pages_and_by_subject()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = new JetStream(connection);
        Assert.Empty(await js.ListStreamNamesAsync(ct: Ct).ToListAsync(Ct));
        for (var i = 0; i < 270; i++) // a page of streams holds 256
            await js.CreateStreamAsync(new StreamConfig { Name = $"s{i}", Subjects = [$"s.{i}.>"], Storage = StreamStorage.Memory }, Ct);

        Assert.Equal(270, (await js.ListStreamNamesAsync(ct: Ct).ToListAsync(Ct)).Distinct().Count());
        var streams = await js.ListStreamsAsync(ct: Ct).ToListAsync(Ct);
        Assert.Equal(270, streams.Select(s => s.Config.Name).Distinct().Count());
        Assert.All(streams, s => Assert.Equal(StreamStorage.Memory, s.Config.Storage));
        Assert.Equal("s7", await js.ListStreamNamesAsync("s.7.x", Ct).SingleAsync(Ct));
        Assert.Equal("s8", (await js.ListStreamsAsync("s.8.x", Ct).SingleAsync(Ct)).Config.Name);
    }

    [Fact]
    public async Task Consumers_are_listed_over_the_servers_pages_with_all_that_tells_their_lag()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await NumberedAsync(connection, 6);
        for (var i = 0; i < 270; i++)
            await js.CreateConsumerAsync("s", new ConsumerConfig { DurableName = $"c{i}", MemoryStorage = true, AckWait = TimeSpan.FromMinutes(5) }, Ct);
        Assert.Equal(270, (await js.ListConsumerNamesAsync("s", Ct).ToListAsync(Ct)).Distinct().Count());

        // One acked, one delivered twice, the others once or never: the server takes the nak in its own time.
        var four = await js.FetchAsync("s", "c7", 4, TimeSpan.FromSeconds(10), Ct);
        await four[0].AckConfirmedAsync(Ct);
        await four[1].NakAsync(ct: Ct);
        while ((await js.FetchAsync("s", "c7", 1, TimeSpan.FromSeconds(10), Ct)).Single().Delivered < 2)
        {
        }

        var info = await js.ListConsumersAsync("s", Ct).SingleAsync(c => c.Name == "c7", Ct);
        var last = info.Delivered.Stream;
        Assert.InRange(last, 4UL, 6UL);
        Assert.Equal(("s", 6 - last, (long)last - 1, 1L, 0L), (info.Stream, info.Pending, info.AckPending, info.Redelivered, info.Waiting));
        Assert.Equal((last + 1, 1UL, 1UL), (info.Delivered.Consumer, info.AckFloor.Stream, info.AckFloor.Consumer));
        Assert.InRange(info.Delivered.LastActive!.Value, DateTimeOffset.UtcNow.AddMinutes(-1), DateTimeOffset.UtcNow.AddMinutes(1));
        Assert.Equal(TimeSpan.FromMinutes(5), info.Config.AckWait);
        var error = await Assert.ThrowsAsync<JetStreamApiException>(async () => await js.ListConsumersAsync("none", Ct).ToListAsync(Ct));
        Assert.Equal(JetStreamApi.StreamNotFound, error.ErrorCode);
    }

    [Fact]
    public async Task Subjects_are_counted_over_the_servers_pages()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = new JetStream(connection);
        Assert.Null(await js.GetSubjectCountsAsync("s", ct: Ct));
        await js.CreateStreamAsync(new StreamConfig { Name = "s", Subjects = ["s.>"], Storage = StreamStorage.Memory }, Ct);
        Assert.Empty((await js.GetSubjectCountsAsync("s", ct: Ct))!);
        const int Subjects = 100_050; // a page holds 100,000
        for (var i = 0; i < Subjects; i++)
            await connection.PublishAsync("s.many." + i.ToString(CultureInfo.InvariantCulture), ct: Ct);
        for (var i = 0; i < 3; i++)
            await js.PublishAsync("s.few.x", default, ct: Ct);

        var all = (await js.GetSubjectCountsAsync("s", ct: Ct))!;
        Assert.Equal((Subjects + 1, 3UL, 1UL), (all.Count, all["s.few.x"], all["s.many.100049"]));
        Assert.Equal("s.few.x", Assert.Single((await js.GetSubjectCountsAsync("s", "s.few.*", Ct))!).Key);
        Assert.Equal(Subjects + 1, (await js.FindStreamAsync("s", Ct))!.State.SubjectCount);
    }

    [Fact]
    public async Task A_purge_goes_up_to_a_sequence_or_keeps_the_newest()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await NumberedAsync(connection, 10);

        Assert.Equal(3UL, await js.PurgeStreamAsync("s", before: 4, ct: Ct));
        Assert.Equal(4UL, (await js.FindStreamAsync("s", Ct))!.State.FirstSequence);
        Assert.Equal(5UL, await js.PurgeStreamAsync("s", keep: 2, ct: Ct));
        Assert.Equal(9UL, (await js.FindStreamAsync("s", Ct))!.State.FirstSequence);
        await Assert.ThrowsAsync<ArgumentException>(() => js.PurgeStreamAsync("s", before: 1, keep: 1, ct: Ct));
        Assert.Equal(2UL, (await js.FindStreamAsync("s", Ct))!.State.Messages);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_message_is_deleted_by_its_sequence(bool erase)
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = await NumberedAsync(connection, 3);

        Assert.True(await js.DeleteMessageAsync("s", 2, erase, Ct));
        Assert.False(await js.DeleteMessageAsync("s", 2, erase, Ct));
        Assert.False(await js.DeleteMessageAsync("s", 99, erase, Ct));
        Assert.False(await js.DeleteMessageAsync("none", 1, erase, Ct));
        Assert.Null(await js.GetMessageAsync("s", 2, Ct));
        var state = (await js.FindStreamAsync("s", Ct))!.State;
        Assert.Equal((2UL, 1UL, 3UL, 1L), (state.Messages, state.FirstSequence, state.LastSequence, state.DeletedCount));
    }

    [Fact]
    public async Task Messages_are_read_directly_where_the_stream_allows_it()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = new JetStream(connection);
        await js.CreateStreamAsync(new StreamConfig { Name = "s", Subjects = ["s.>"], AllowDirect = true }, Ct);
        await js.PublishAsync("s.a", "first"u8.ToArray(), new NatsHeaders { { "K", "v" }, { "K", "ä" } }, Ct);
        await js.PublishAsync("s.b", "second"u8.ToArray(), ct: Ct);
        await js.PublishAsync("s.a", default, ct: Ct);

        var first = (await js.GetDirectMessageAsync("s", 1, Ct))!;
        Assert.Equal(("s.a", 1UL, "first"), (first.Subject, first.Sequence, Encoding.UTF8.GetString(first.Payload.Span)));
        Assert.Equal([new("K", "v"), new("K", "ä")], first.Headers!);
        var last = (await js.GetLastDirectMessageAsync("s", "s.a", Ct))!;
        Assert.Equal((3UL, 0), (last.Sequence, last.Payload.Length));
        Assert.Null(last.Headers);
        Assert.Equal(2UL, (await js.GetLastDirectMessageAsync("s", "*.b", Ct))!.Sequence);
        Assert.Null(await js.GetDirectMessageAsync("s", 9, Ct));
        Assert.Null(await js.GetLastDirectMessageAsync("s", "s.c", Ct));

        // The same to the tick, whichever way it is read.
        await using var consumer = await js.OrderedConsumeAsync("s", ct: Ct);
        for (var i = 4UL; i <= 20; i++)
            await js.PublishAsync("s.x", default, ct: Ct);
        for (var i = 1UL; i <= 20; i++)
        {
            var time = (await OrderedConsumerTests.NextAsync(consumer)).Timestamp;
            Assert.Equal((time, time), ((await js.GetMessageAsync("s", i, Ct))!.Timestamp, (await js.GetDirectMessageAsync("s", i, Ct))!.Timestamp));
        }
    }

    [Fact]
    public async Task A_direct_read_that_the_stream_does_not_allow_says_so()
    {
        await using var connection = new NatsConnection(nats.TakeAccount().Options with { RequestTimeout = TimeSpan.FromMilliseconds(300) });
        await connection.ConnectAsync(Ct);
        var js = await NumberedAsync(connection, 1);

        var error = await Assert.ThrowsAsync<NatsException>(() => js.GetDirectMessageAsync("s", 1, Ct));
        Assert.Contains("AllowDirect", error.Message, StringComparison.Ordinal);
        Assert.False(error.IsTransient);
        Assert.Null(await js.GetDirectMessageAsync("none", 1, Ct));
    }

    [Fact]
    public async Task The_account_tells_what_it_uses_and_may_use()
    {
        await using var server = new NatsServer("accounts { A { jetstream { max_mem: 10M, max_file: 20M, max_streams: 3, max_consumers: 4 }, users: [ { user: a, password: a } ] } }");
        await server.StartAsync();
        await using var connection = new NatsConnection(new NatsOptions { Url = server.Url, User = "a", Password = "a" });
        await connection.ConnectAsync(Ct);
        var js = await NumberedAsync(connection, 10);
        await js.CreateConsumerAsync("s", new ConsumerConfig { DurableName = "c" }, Ct);
        await Assert.ThrowsAsync<JetStreamApiException>(() => js.CreateStreamAsync(new StreamConfig { Name = "t", Subjects = ["s.>"] }, Ct));

        var info = await js.GetAccountInfoAsync(Ct);
        Assert.Equal((1, 1, 0L, true), (info.Streams, info.Consumers, info.Memory, info.Storage > 0));
        Assert.Equal((10_000_000L, 20_000_000L, 3, 4), (info.Limits.MaxMemory, info.Limits.MaxStorage, info.Limits.MaxStreams, info.Limits.MaxConsumers));
        Assert.Equal((-1, -1L, -1L, false), (info.Limits.MaxAckPending, info.Limits.MaxMemoryStreamBytes, info.Limits.MaxStorageStreamBytes, info.Limits.MaxBytesRequired));
        Assert.True(info.Api is { Total: >= 2, Errors: >= 1 }, info.Api.ToString());
    }

    private static async Task<JetStream> NumberedAsync(NatsConnection connection, int messages)
    {
        var js = await JetStreamPublishTests.StreamAsync(connection);
        for (var i = 0; i < messages; i++)
            await js.PublishAsync($"s.{i}", BitConverter.GetBytes(i), ct: Ct);
        return js;
    }
}
