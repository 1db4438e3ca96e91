using System.Text;
using System.Text.Json;
using Watchword.Nats;

namespace Watchword.Tests.Nats;

/// <summary>Core NATS and publishing, with the official JavaScript client as the other side.</summary>
public class InteropTests(NatsFixture nats)
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Headers_cross_both_ways_with_many_values_any_text_and_their_case()
    {
        var account = nats.TakeAccount();
        await using var connection = await account.ConnectAsync(Ct);
        await using var fromJs = await connection.SubscribeAsync("to.cs", ct: Ct);
        await using var ready = await connection.SubscribeAsync("js.ready", ct: Ct);
        await connection.PingAsync(Ct);
        var script = Node.RunAsync("headers.mjs", JsonSerializer.Serialize(new { nats = account.Url }));
        await FirstAsync(ready, script);
        await connection.PublishAsync(
            "to.js",
            "grüße"u8.ToArray(),
            new NatsHeaders { { "X-Many", "one" }, { "X-Many", "ünïcödé ✓ 日本" }, { "x-many", "another case, another header" }, { "X-Colon", "a: b: c" }, { "X-Empty", "" } },
            ct: Ct);

        using var seen = JsonDocument.Parse(await script);
        var headers = seen.RootElement.GetProperty("headers");
        Assert.Equal(("to.js", "grüße"), (seen.RootElement.GetProperty("subject").GetString(), seen.RootElement.GetProperty("data").GetString()));
        Assert.Equal(["X-Many", "x-many", "X-Colon", "X-Empty"], headers.EnumerateObject().Select(h => h.Name));
        Assert.Equal(["one", "ünïcödé ✓ 日本"], headers.GetProperty("X-Many").EnumerateArray().Select(v => v.GetString()!));
        Assert.Equal("another case, another header", headers.GetProperty("x-many")[0].GetString());
        Assert.Equal(("a: b: c", ""), (headers.GetProperty("X-Colon")[0].GetString(), headers.GetProperty("X-Empty")[0].GetString()));
        Assert.Equal("", seen.RootElement.GetProperty("byAnotherCase").GetString()); // the official client compares by case too

        var message = await fromJs.ReadAsync(Ct);
        Assert.Equal("grüße", Encoding.UTF8.GetString(message.Payload.Span));
        Assert.Equal(
            [new("X-Many", "one"), new("X-Many", "two"), new("X-Many", "ünïcödé ✓ 日本"), new("x-many", "another case, another header"), new("X-Colon", "a: b: c"), new("X-Empty", "")],
            message.Headers!);
    }

    [Fact]
    public async Task Requests_are_answered_both_ways_and_each_side_knows_when_nobody_would()
    {
        var account = nats.TakeAccount();
        await using var connection = await account.ConnectAsync(Ct);
        await using var ready = await connection.SubscribeAsync("js.ready", ct: Ct);
        await using var service = await connection.SubscribeAsync("cs.double", ct: Ct);
        await connection.PingAsync(Ct);
        await Assert.ThrowsAsync<NatsNoRespondersException>(async () => await connection.RequestAsync("js.upper", "a"u8.ToArray(), ct: Ct));
        var script = Node.RunAsync("requests.mjs", JsonSerializer.Serialize(new { nats = account.Url }));
        await FirstAsync(ready, script);

        var answers = await Task.WhenAll(Enumerable.Range(0, 50).Select(
            i => connection.RequestAsync("js.upper", Encoding.UTF8.GetBytes($"wört {i}"), new NatsHeaders { { "X-Asked", i } }, ct: Ct).AsTask()));
        Assert.Equal(Enumerable.Range(0, 50).Select(i => $"WÖRT {i}"), answers.Select(a => Encoding.UTF8.GetString(a.Payload.Span)));
        Assert.Equal(Enumerable.Range(0, 50).Select(i => i.ToString(System.Globalization.CultureInfo.InvariantCulture)), answers.Select(a => a.Headers!["X-Asked"]));

        await connection.PublishAsync("js.upper", "stop"u8.ToArray(), ct: Ct);
        for (var i = 0; i < 3; i++)
        {
            var request = await service.ReadAsync(Ct);
            await connection.PublishAsync(request.ReplyTo!, (byte[])[.. request.Payload.Span, .. request.Payload.Span], ct: Ct);
        }

        using var result = JsonDocument.Parse(await script);
        Assert.Equal(["aa", "ßß", ""], result.RootElement.GetProperty("answers").EnumerateArray().Select(a => a.GetString()!));
        Assert.Equal("503", result.RootElement.GetProperty("missing").GetString());
    }

    [Fact]
    public async Task A_message_id_is_one_message_whichever_side_sends_it_again()
    {
        var account = nats.TakeAccount();
        await using var connection = await account.ConnectAsync(Ct);
        var js = await JetStreamPublishTests.StreamAsync(connection);
        Assert.Equal(new PublishAck("s", 1, Duplicate: false), await PublishAsync("ours"));

        var input = JsonSerializer.Serialize(new { nats = account.Url, subject = "s.js", ids = (string[])["ours", "theirs", "theirs"] });
        using var acks = JsonDocument.Parse(await Node.RunAsync("dedupe.mjs", input));
        Assert.Equal([(1, true), (2, false), (2, true)], acks.RootElement.EnumerateArray().Select(a => (a.GetProperty("seq").GetInt32(), a.GetProperty("duplicate").GetBoolean())));

        Assert.Equal(new PublishAck("s", 2, Duplicate: true), await PublishAsync("theirs"));
        await using var publisher = js.CreatePublisher();
        await publisher.PublishAsync("s.cs", default, new NatsHeaders { { "Nats-Msg-Id", "theirs" } }, 7, Ct);
        Assert.Equal(new PublishAck("s", 2, Duplicate: true), (await publisher.Results.ReadAsync(Ct)).Ack);
        Assert.Equal("theirs", (await js.GetMessageAsync("s", 2, Ct))!.Headers!["Nats-Msg-Id"]);
        Assert.Equal(2UL, (await js.FindStreamAsync("s", Ct))!.State.Messages);

        ValueTask<PublishAck> PublishAsync(string id) => js.PublishAsync("s.cs", default, new NatsHeaders { { "Nats-Msg-Id", id } }, Ct);
    }

    /// <summary>The first message, unless the script ends before, and then with its complaint.</summary>
    internal static async Task<NatsMessage> FirstAsync(NatsSubscription subscription, Task<string> script)
    {
        var first = subscription.ReadAsync(Ct).AsTask();
        if (await Task.WhenAny(first, script) != first)
            throw new InvalidOperationException("The script ended early: " + await script);
        return await first;
    }
}
