using System.Runtime.CompilerServices;
using NATS.Client.Core;
using NATS.Client.JetStream;
using NATS.Client.JetStream.Models;
using Watchword.Events.JetStream;

namespace Watchword.Tests;

/// <summary>What an operator does to streams and consumers, in the words of the tests.</summary>
internal static class JetStreamCalls
{
    private static CancellationToken Ct => TestContext.Current.CancellationToken;

    public static Task<StreamInfo?> FindStreamAsync(this JetStreamClient client, string stream) => client.FindStreamAsync(stream, Ct);

    public static Task<ConsumerInfo?> FindConsumerAsync(this JetStreamClient client, string stream, string consumer) => client.FindConsumerAsync(stream, consumer, Ct);

    public static Task<StreamInfo> CreateStreamAsync(this JetStreamClient client, StreamConfig config) => client.CreateStreamAsync(config, Ct);

    public static Task<ConsumerInfo> CreateConsumerAsync(this JetStreamClient client, string stream, ConsumerConfig config) => client.CreateConsumerAsync(stream, config, Ct);

    public static async Task UpdateStreamAsync(this JetStreamClient client, StreamConfig config) => await client.Context.UpdateStreamAsync(config, Ct);

    public static async Task DeleteStreamAsync(this JetStreamClient client, string stream) => Assert.True(await client.Context.DeleteStreamAsync(stream, Ct));

    public static async Task DeleteConsumerAsync(this JetStreamClient client, string stream, string consumer) =>
        Assert.True(await client.Context.DeleteConsumerAsync(stream, consumer, Ct));

    /// <summary>Removes all messages, or those below a sequence.</summary>
    public static async Task PurgeStreamAsync(this JetStreamClient client, string stream, ulong before = 0) =>
        Assert.True((await client.Context.PurgeStreamAsync(stream, new() { Seq = before }, Ct)).Success);

    public static async Task DeleteMessageAsync(this JetStreamClient client, string stream, ulong sequence) =>
        Assert.True((await client.Context.DeleteMessageAsync(stream, new() { Seq = sequence }, Ct)).Success);

    public static Task<PubAckResponse> PublishAsync(this JetStreamClient client, string subject, byte[] payload, NatsHeaders? headers = null) =>
        client.PublishAsync(subject, payload, headers, Ct);

    /// <summary>The message at a sequence; null when there is none.</summary>
    public static Task<Delivery?> GetMessageAsync(this JetStreamClient client, string stream, ulong sequence) => StoredMessages.FindAsync(client, stream, sequence, Ct);

    /// <summary>What a stream holds, and what comes after it.</summary>
    public static async IAsyncEnumerable<Delivery> TailAsync(this JetStreamClient client, string stream, [EnumeratorCancellation] CancellationToken ct)
    {
        var consumer = await client.Context.CreateOrderedConsumerAsync(stream, cancellationToken: ct);
        await foreach (var message in consumer.ConsumeAsync<byte[]>(cancellationToken: ct))
            yield return await Delivery.TakeAsync(client, message, ct);
    }

    /// <summary>Takes messages from a durable; fewer than asked for once <paramref name="patience"/> is over, without one at once.</summary>
    public static async Task<List<INatsJSMsg<byte[]>>> FetchAsync(this JetStreamClient client, string stream, string durable, int count, TimeSpan? patience = null)
    {
        var consumer = await client.Context.GetConsumerAsync(stream, durable, Ct);
        var messages = patience is { } expires
            ? consumer.FetchAsync<byte[]>(new() { MaxMsgs = count, Expires = expires }, cancellationToken: Ct)
            : consumer.FetchNoWaitAsync<byte[]>(new() { MaxMsgs = count }, cancellationToken: Ct);
        return await messages.ToListAsync(Ct);
    }

    /// <summary>Acknowledges, and waits until the server has taken note.</summary>
    public static ValueTask AckConfirmedAsync(this INatsJSMsg<byte[]> message) => message.AckAsync(new AckOpts { DoubleAck = true }, Ct);

    /// <summary>Waits until streams with this duplicate window have forgotten the ids of all that they hold.</summary>
    public static async Task WindowPassedAsync(this JetStreamClient client, TimeSpan window)
    {
        await client.CreateStreamAsync(new() { Name = "probe", Subjects = ["probe"], DuplicateWindow = window });
        var stored = 0;
        // The server forgets ids in rounds, and the first may have begun before what the test stored last.
        await Eventually.TrueAsync(async () => await client.PublishAsync("probe", [], new() { ["Nats-Msg-Id"] = "probe" }) is { Duplicate: false } && ++stored == 3);
    }

    /// <summary>Any request; ends at once when this user may not publish to the subject.</summary>
    public static Task<NatsMsg<byte[]>> RequestAsync(this JetStreamClient client, string subject, byte[]? body = null) =>
        client.CallAsync(async ct => await client.Connection.RequestAsync<byte[], byte[]>(subject, body, cancellationToken: ct), subject.Split('.'), Ct);

    /// <summary>All that a stream holds.</summary>
    public static async Task<List<Delivery>> ReadAllAsync(this JetStreamClient client, string stream)
    {
        List<Delivery> messages = [];
        await foreach (var message in StoredMessages.ReadToEndAsync(client, stream, new(), Ct))
            messages.Add(message);
        return messages;
    }

    /// <summary>Stores many messages, as fast as the server takes them.</summary>
    public static async Task PublishManyAsync(this JetStreamClient client, string subject, int count, Func<int, byte[]> payload, Func<int, NatsHeaders>? headers = null)
    {
        await using var window = await PublishWindow.OpenAsync(client, 1_024, Ct);
        var settling = Task.Run(async () =>
        {
            for (var i = 0; i < count; i++)
                Assert.Null((await window.Results.ReadAsync(Ct)).Error);
        }, Ct);
        for (var i = 1; i <= count; i++)
            await window.PublishAsync(subject, payload(i), headers?.Invoke(i) ?? [], i, Ct);
        await settling;
    }
}
