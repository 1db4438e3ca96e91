using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using Watchword.Nats;

namespace Watchword.Tests.Nats;

public sealed class TracingTests : IDisposable
{
    private readonly NatsFixture _nats;
    private readonly Activity _root = new Activity("test").Start();
    private readonly ConcurrentQueue<Activity> _ended = [];
    private readonly ActivityListener _listener;
    private bool _listens = true;

    public TracingTests(NatsFixture nats)
    {
        _nats = nats;

        // Other tests run beside this one: only what belongs to its own trace is recorded.
        _listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == NatsTelemetry.Name,
            Sample = (ref ActivityCreationOptions<ActivityContext> o) =>
                _listens && o.Parent.TraceId == _root.TraceId ? ActivitySamplingResult.AllDataAndRecorded : ActivitySamplingResult.None,
            ActivityStopped = _ended.Enqueue,
        };
        ActivitySource.AddActivityListener(_listener);
    }

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public void Dispose()
    {
        _listener.Dispose();
        _root.Dispose();
    }

    [Fact]
    public async Task Handling_a_message_on_another_connection_is_a_child_of_publishing_it()
    {
        var account = _nats.TakeAccount();
        await using var speaker = await account.ConnectAsync(Ct);
        await using var listener = await account.ConnectAsync(Ct);
        await using var subscription = await listener.SubscribeAsync("trace.*", ct: Ct);
        await listener.PingAsync(Ct);
        _root.TraceStateString = "vendor=1";

        await speaker.PublishAsync("trace.one", "12345"u8.ToArray(), new NatsHeaders { { "Nats-Msg-Id", "id-1" } }, ct: Ct);
        Assert.Same(_root, Activity.Current);
        var message = await subscription.ReadAsync(Ct);
        using (var processing = message.StartProcessing())
        {
            Assert.Same(processing, Activity.Current);
            Assert.Equal("vendor=1", processing!.TraceStateString);
        }

        var (published, processed) = (Single("publish trace.one"), Single("process trace.one"));
        Assert.Equal((_root.SpanId, ActivityKind.Producer), (published.ParentSpanId, published.Kind));
        Assert.Equal((published.SpanId, ActivityKind.Consumer, true), (processed.ParentSpanId, processed.Kind, processed.HasRemoteParent));
        Assert.Equal(_root.SpanId, Assert.Single(processed.Links).Context.SpanId);
        Assert.Equal(
            new Dictionary<string, object?>
            {
                ["messaging.system"] = "nats",
                ["messaging.operation.name"] = "publish",
                ["messaging.operation.type"] = "send",
                ["messaging.destination.name"] = "trace.one",
                ["messaging.message.body.size"] = 5,
                ["messaging.message.id"] = "id-1",
                ["server.address"] = "127.0.0.1",
                ["server.port"] = account.Port,
            },
            published.TagObjects.ToDictionary());
        Assert.Equal(("process", "process"), (processed.GetTagItem("messaging.operation.name"), processed.GetTagItem("messaging.operation.type")));
    }

    [Fact]
    public async Task The_span_of_a_jetstream_publish_ends_with_its_ack_and_the_consumer_names_itself()
    {
        var account = _nats.TakeAccount();
        await using var speaker = await account.ConnectAsync(Ct);
        await using var listener = await account.ConnectAsync(Ct);
        var js = await PullConsumerTests.FilledAsync(speaker, 0);
        await using var publisher = js.CreatePublisher();
        await using var consumer = await new JetStream(listener).ConsumeAsync("s", "c", ct: Ct);

        await publisher.PublishAsync("s.many", "a"u8.ToArray(), headers: null, 1, Ct);
        Assert.Same(_root, Activity.Current);
        await publisher.PublishAsync("nobody.takes.it", "a"u8.ToArray(), headers: null, 2, Ct);
        await js.PublishAsync("s.one", "a"u8.ToArray(), ct: Ct);
        await JetStreamPublishTests.TakeAsync(publisher, 2);
        foreach (var subject in (string[])["s.many", "s.one"])
        {
            using var message = await PullConsumerTests.NextAsync(consumer);
            message.StartProcessing()!.Dispose();
            await message.AckAsync(Ct);
            var processed = Single($"process {subject}");
            Assert.Equal(Single($"publish {subject}").SpanId, processed.ParentSpanId);
            Assert.Equal(("c", account.Port), (processed.GetTagItem("messaging.consumer.group.name"), processed.GetTagItem("server.port")));
        }

        await Eventually.TrueAsync(() => Task.FromResult(_ended.Any(a => a.OperationName == "publish nobody.takes.it")));
        var failed = Single("publish nobody.takes.it");
        Assert.Equal((ActivityStatusCode.Error, typeof(NatsNoRespondersException).FullName), (failed.Status, failed.GetTagItem("error.type")));

        // Streams, consumers, pulls and acks are the server's own affair.
        Assert.Equal(["process", "publish"], _ended.Select(a => a.OperationName.Split(' ')[0]).Distinct().Order());
    }

    [Fact]
    public async Task An_inbox_never_names_a_span()
    {
        await using var connection = await _nats.TakeAccount().ConnectAsync(Ct);
        await using var questions = await connection.SubscribeAsync("ask.me", ct: Ct);
        var answer = connection.RequestAsync("ask.me", ct: Ct);
        var question = await questions.ReadAsync(Ct);
        using (question.StartProcessing())
            await connection.PublishAsync(question.ReplyTo!, "yes"u8.ToArray(), ct: Ct);
        (await answer).StartProcessing()!.Dispose();

        var replied = Single("publish (temporary)");
        Assert.Null(replied.GetTagItem("messaging.destination.name"));
        Assert.Equal(true, replied.GetTagItem("messaging.destination.temporary"));
        Assert.Equal(Single("process ask.me").SpanId, replied.ParentSpanId);
        Assert.Equal(Single("request ask.me").SpanId, Single("process ask.me").ParentSpanId);
        Assert.Equal(replied.SpanId, Single("process (temporary)").ParentSpanId);
        Assert.Equal(Single("request ask.me").SpanId.ToHexString(), question.Headers!["traceparent"]!.Split('-')[2]);
    }

    [Fact]
    public async Task A_context_that_the_caller_set_stands_and_the_callers_headers_stay_as_they_are()
    {
        await using var connection = await _nats.TakeAccount().ConnectAsync(Ct);
        await using var subscription = await connection.SubscribeAsync("own", ct: Ct);
        const string Own = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

        await connection.PublishAsync("own", default, new NatsHeaders { { "traceparent", Own } }, ct: Ct);
        Assert.Equal(Own, Assert.Single((await subscription.ReadAsync(Ct)).Headers!).Value);
        Assert.Equal("b7ad6b7169203331", Assert.Single(Single("publish own").Links).Context.SpanId.ToHexString());

        var headers = new NatsHeaders { { "A", "b" } };
        await connection.PublishAsync("own", default, headers, ct: Ct);
        Assert.Equal(["A", "traceparent"], (await subscription.ReadAsync(Ct)).Headers!.Select(h => h.Key));
        Assert.Equal(["A"], headers.Select(h => h.Key));
    }

    [Fact]
    public async Task Where_nobody_listens_the_current_context_travels_and_without_one_nothing_does()
    {
        await using var connection = await _nats.TakeAccount().ConnectAsync(Ct);
        await using var subscription = await connection.SubscribeAsync("quiet", ct: Ct);
        _listens = false;

        await connection.PublishAsync("quiet", ct: Ct);
        var message = await subscription.ReadAsync(Ct);
        Assert.Equal(_root.Id, message.Headers!["traceparent"]);
        Assert.Null(message.StartProcessing());

        Activity.Current = null;
        await connection.PublishAsync("quiet", ct: Ct);
        Assert.Null((await subscription.ReadAsync(Ct)).Headers);
        Assert.Empty(_ended);
    }

    [Fact]
    public async Task A_message_as_large_as_the_server_takes_is_sent_without_its_context()
    {
        await using var connection = await _nats.TakeAccount().ConnectAsync(Ct);
        await using var subscription = await connection.SubscribeAsync("large", ct: Ct);

        await connection.PublishAsync("large", new byte[connection.Server!.MaxPayload], ct: Ct);

        Assert.Null((await subscription.ReadAsync(Ct)).Headers);
        await Assert.ThrowsAsync<NatsPayloadTooLargeException>(
            async () => await connection.PublishAsync("large", new byte[connection.Server!.MaxPayload + 1], ct: Ct));
        Assert.Contains(_ended, a => a.GetTagItem("error.type") is string error && error.EndsWith("NatsPayloadTooLargeException", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_trace_of_the_official_javascript_client_goes_on_here_and_back_there()
    {
        var account = _nats.TakeAccount();
        await using var connection = await account.ConnectAsync(Ct);
        await using var subscription = await connection.SubscribeAsync("there", ct: Ct);
        await connection.PingAsync(Ct);
        var theirs = $"00-{_root.TraceId.ToHexString()}-b7ad6b7169203331-01";
        var script = Node.RunAsync(
            "trace.mjs", JsonSerializer.Serialize(new { nats = account.Url, there = "there", back = "back", traceparent = theirs, tracestate = "js=1" }));

        var message = await subscription.ReadAsync(Ct);
        using (var processing = message.StartProcessing())
        {
            Assert.Equal((theirs, "js=1"), (processing!.ParentId, processing.TraceStateString));
            await connection.PublishAsync("back", ct: Ct);
        }

        using var seen = JsonDocument.Parse(await script);
        Assert.Equal(Single("publish back").Id, seen.RootElement.GetProperty("traceparent").GetString());
        Assert.Equal("js=1", seen.RootElement.GetProperty("tracestate").GetString());
    }

    private Activity Single(string name) => Assert.Single(_ended, a => a.DisplayName == name);
}
