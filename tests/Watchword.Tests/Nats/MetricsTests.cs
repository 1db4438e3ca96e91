using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Watchword.Nats;

namespace Watchword.Tests.Nats;

public sealed class MetricsTests : IAsyncLifetime
{
    // A server of its own: its port tells what was measured here from what other tests do.
    private readonly NatsServer _server = new();
    private readonly ConcurrentQueue<Measured> _measured = [];
    private readonly MeterListener _listener = new();

    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == NatsTelemetry.Name)
                listener.EnableMeasurementEvents(instrument);
        };
        _listener.SetMeasurementEventCallback<long>((i, value, tags, _) => Keep(i, value, tags));
        _listener.SetMeasurementEventCallback<double>((i, value, tags, _) => Keep(i, value, tags));
        _listener.Start();
        await _server.StartAsync();
    }

    public async ValueTask DisposeAsync()
    {
        _listener.Dispose();
        await _server.DisposeAsync();
    }

    [Fact]
    public async Task Sent_and_consumed_messages_are_counted_and_timed_without_naming_subjects_that_may_be_without_number()
    {
        await using var connection = await ConnectAsync();
        await using var subscription = await connection.SubscribeAsync("order.*", "workers", ct: Ct);
        for (var i = 0; i < 3; i++)
            await connection.PublishAsync($"order.{i}", ct: Ct);
        for (var i = 0; i < 3; i++)
            await subscription.ReadAsync(Ct);
        await Assert.ThrowsAsync<NatsNoRespondersException>(async () => await connection.RequestAsync("nobody", ct: Ct));

        var sent = Of("messaging.client.sent.messages");
        Assert.Equal(3, sent.Where(m => m["messaging.operation.name"] is "publish").Sum(m => m.Value));
        var failed = Assert.Single(sent, m => m["messaging.operation.name"] is "request");
        Assert.Equal(typeof(NatsNoRespondersException).FullName, failed["error.type"]);
        Assert.All(sent, m => Assert.Equal(("nats", "127.0.0.1", "send"), (m["messaging.system"], m["server.address"], m["messaging.operation.type"])));
        Assert.DoesNotContain(_measured, m => m.Tags.ContainsKey("messaging.destination.name"));

        var consumed = Of("messaging.client.consumed.messages");
        Assert.Equal(3, consumed.Sum(m => m.Value));
        Assert.All(consumed, m => Assert.Equal(("order.*", "workers"), (m["messaging.destination.template"], m["messaging.consumer.group.name"])));

        var duration = Of("messaging.client.operation.duration");
        Assert.Equal(4, duration.Length);
        Assert.All(duration, m => Assert.InRange(m.Value, 0, 10));
    }

    [Fact]
    public async Task Publishes_to_jetstream_count_when_they_are_acked_and_until_then_are_pending()
    {
        await using var connection = await ConnectAsync();
        var js = await PullConsumerTests.FilledAsync(connection, 0);
        await using var consumer = await js.ConsumeAsync("s", "c", ct: Ct);
        await using var deaf = await connection.SubscribeAsync("deaf", ct: Ct);
        await using (var publisher = js.CreatePublisher())
        {
            for (var i = 0; i < 5; i++)
                await publisher.PublishAsync("s.x", default, headers: null, i, Ct);
            await JetStreamPublishTests.TakeAsync(publisher, 5);
            await publisher.PublishAsync("deaf", default, headers: null, 6, Ct);
            await publisher.PublishAsync("deaf", default, headers: null, 7, Ct);

            Assert.Equal(5, Of("messaging.client.sent.messages").Sum(m => m.Value));
            _listener.RecordObservableInstruments();
            Assert.Equal(2, Of("nats.client.pending.acks").Last().Value);
        }

        var failed = Of("messaging.client.sent.messages").Where(m => m.Tags.ContainsKey("error.type"));
        Assert.Equal(2, failed.Sum(m => m.Value));
        for (var i = 0; i < 5; i++)
            await (await PullConsumerTests.NextAsync(consumer)).AckAsync(Ct);
        var consumed = Of("messaging.client.consumed.messages").Where(m => m["messaging.consumer.group.name"] is "c");
        Assert.Equal(5, consumed.Sum(m => m.Value));
        var before = Of("nats.client.pending.acks").Length;
        _listener.RecordObservableInstruments();
        Assert.Equal(before, Of("nats.client.pending.acks").Length);
    }

    [Fact]
    public async Task Dropped_messages_and_reconnects_are_counted()
    {
        await using var connection = await ConnectAsync();
        await using var slow = await connection.SubscribeAsync("flood.*", capacity: 10, ct: Ct);
        for (var i = 0; i < 25; i++)
            await connection.PublishAsync($"flood.{i}", ct: Ct);
        await connection.PingAsync(Ct);

        Assert.Equal(15, slow.Dropped);
        var dropped = Of("nats.client.dropped.messages");
        Assert.Equal(15, dropped.Sum(m => m.Value));
        Assert.All(dropped, m => Assert.Equal("flood.*", m["messaging.destination.template"]));

        Assert.Empty(Of("nats.client.reconnects"));
        await _server.RestartAsync();
        await Eventually.TrueAsync(() => Of("nats.client.reconnects").Sum(m => m.Value) > 0);
        Assert.Equal((1, 1), (connection.ReconnectCount, Of("nats.client.reconnects").Sum(m => m.Value)));
    }

    private async Task<NatsConnection> ConnectAsync()
    {
        var connection = new NatsConnection(new NatsOptions { Url = _server.Url, Name = "tests" });
        await connection.ConnectAsync(Ct);
        return connection;
    }

    private Measured[] Of(string instrument) => [.. _measured.Where(m => m.Instrument == instrument)];

    private void Keep(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var all = tags.ToArray().ToDictionary();
        if (all.GetValueOrDefault("server.port") is int port && port == _server.Port)
            _measured.Enqueue(new(instrument.Name, value, all));
    }

    private sealed record Measured(string Instrument, double Value, Dictionary<string, object?> Tags)
    {
        public object? this[string tag] => Tags.GetValueOrDefault(tag);
    }
}
