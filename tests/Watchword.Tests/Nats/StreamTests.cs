using System.Text;
using System.Text.Json;
using Watchword.Nats;

namespace Watchword.Tests.Nats;

public class StreamTests(NatsFixture nats)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_stream_is_created_found_changed_purged_and_deleted()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = new JetStream(connection);
        Assert.Null(await js.FindStreamAsync("events", Ct));

        var config = new StreamConfig
        {
            Name = "events",
            Description = "what happened",
            Subjects = ["events.>"],
            MaxAge = TimeSpan.FromDays(7),
            MaxMessages = 100_000,
            MaxBytes = 100_000_000,
            DuplicateWindow = TimeSpan.FromMinutes(10),
            Discard = StreamDiscard.Old,
        };
        var created = await js.CreateStreamAsync(config, Ct);
        Assert.Equal(config with { Subjects = null, Other = null, Description = null }, created.Config with { Subjects = null, Other = null, Description = null });
        Assert.Equal(["events.>"], created.Config.Subjects!);
        await js.CreateStreamAsync(config, Ct);

        for (var i = 0; i < 3; i++)
            await js.PublishAsync($"events.{i % 2}", "x"u8.ToArray(), ct: Ct);
        var found = (await js.FindStreamAsync("events", Ct))!;
        Assert.Equal(3UL, found.State.Messages);
        Assert.Equal(1UL, found.State.FirstSequence);
        Assert.Equal(3UL, found.State.LastSequence);
        Assert.True(found.State.Bytes > 0);
        Assert.InRange(found.State.LastTimestamp, DateTimeOffset.UtcNow.AddMinutes(-1), DateTimeOffset.UtcNow.AddMinutes(1));

        var updated = await js.UpdateStreamAsync(found.Config with { MaxMessages = 50 }, Ct);
        Assert.Equal(50, updated.Config.MaxMessages);
        Assert.Equal(TimeSpan.FromDays(7), updated.Config.MaxAge);

        Assert.Equal(2UL, await js.PurgeStreamAsync("events", "events.0", ct: Ct));
        Assert.Equal(1UL, await js.PurgeStreamAsync("events", ct: Ct));
        Assert.True(await js.DeleteStreamAsync("events", Ct));
        Assert.False(await js.DeleteStreamAsync("events", Ct));
        Assert.Null(await js.FindStreamAsync("events", Ct));
    }

    [Fact]
    public async Task A_refusal_carries_the_servers_codes()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = new JetStream(connection);
        await js.CreateStreamAsync(new StreamConfig { Name = "one", Subjects = ["same"] }, Ct);

        var error = await Assert.ThrowsAsync<JetStreamApiException>(
            () => js.CreateStreamAsync(new StreamConfig { Name = "two", Subjects = ["same"] }, Ct));

        Assert.Equal(400, error.Code);
        Assert.Equal(10065, error.ErrorCode);
        Assert.False(error.IsTransient);
        await Assert.ThrowsAsync<ArgumentException>(() => js.FindStreamAsync("a.b", Ct));
    }

    [Fact]
    public async Task Stored_messages_are_read_by_sequence_and_by_subject()
    {
        await using var connection = await nats.TakeAccount().ConnectAsync(Ct);
        var js = new JetStream(connection);
        await js.CreateStreamAsync(new StreamConfig { Name = "s", Subjects = ["s.>"] }, Ct);
        await js.PublishAsync("s.a", "first"u8.ToArray(), new NatsHeaders { { "K", "v" } }, Ct);
        await js.PublishAsync("s.b", "second"u8.ToArray(), ct: Ct);
        await js.PublishAsync("s.a", default, ct: Ct);

        var first = (await js.GetMessageAsync("s", 1, Ct))!;
        Assert.Equal(("s.a", 1UL, "first"), (first.Subject, first.Sequence, Encoding.UTF8.GetString(first.Payload.Span)));
        Assert.Equal("v", first.Headers!["K"]);
        Assert.InRange(first.Timestamp, DateTimeOffset.UtcNow.AddMinutes(-1), DateTimeOffset.UtcNow.AddMinutes(1));
        var last = (await js.GetLastMessageAsync("s", "s.a", Ct))!;
        Assert.Equal(3UL, last.Sequence);
        Assert.True(last.Payload.IsEmpty);
        Assert.Null(last.Headers);
        Assert.Null(await js.GetMessageAsync("s", 9, Ct));
        Assert.Null(await js.GetLastMessageAsync("s", "s.c", Ct));
    }

    [Fact]
    public void Settings_that_we_do_not_know_survive_reading_and_writing()
    {
        const string Json = """{"name":"s","max_msgs":5,"max_age":1000000000,"placement":{"cluster":"east"},"sealed":true}""";

        var config = JsonSerializer.Deserialize(Json, JetStreamJson.Default.StreamConfig)!;
        var again = JsonSerializer.Serialize(config with { MaxMessages = 6 }, JetStreamJson.Default.StreamConfig);

        Assert.Equal(TimeSpan.FromSeconds(1), config.MaxAge);
        using var document = JsonDocument.Parse(again);
        Assert.Equal("east", document.RootElement.GetProperty("placement").GetProperty("cluster").GetString());
        Assert.True(document.RootElement.GetProperty("sealed").GetBoolean());
        Assert.Equal(6, document.RootElement.GetProperty("max_msgs").GetInt64());
        Assert.Equal(1_000_000_000, document.RootElement.GetProperty("max_age").GetInt64());
    }

    [Fact]
    public void What_an_answer_leaves_out_is_our_default()
    {
        var config = JsonSerializer.Deserialize("""{"name":"s"}""", JetStreamJson.Default.StreamConfig)!;

        Assert.Equal(new StreamConfig { Name = "s" }, config);
    }
}
