using System.Runtime.CompilerServices;
using NATS.Client.Core;
using NATS.Client.JetStream;
using NATS.Client.JetStream.Models;

namespace Watchword.Events.JetStream;

/// <summary>Reads what a stream holds, in order and without gaps.</summary>
public static class StoredMessages
{
    private const int MostRounds = 3;   // without a single message
    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Expires = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(250);

    /// <summary>The messages up to the end that the stream has when it is reached.</summary>
    /// <exception cref="NatsException">There is no such stream, or NATS is unreachable.</exception>
    public static async IAsyncEnumerable<Delivery> ReadToEndAsync(
        JetStreamClient client, string stream, ReadFrom range, [EnumeratorCancellation] CancellationToken ct)
    {
        for (var stuck = 0; stuck < MostRounds; stuck++)
        {
            var consumer = await OpenAsync(client, stream, range, ct);
            var life = client.Life;
            using var end = CancellationTokenSource.CreateLinkedTokenSource(life, ct);
            try
            {
                var (expected, any, lost) = (1UL, true, false);
                while (any && !lost)
                {
                    any = false;
                    await using var batch = new Batch(client, consumer, range.Batch, life, end.Token);
                    while (!lost && await batch.NextAsync() is { } delivery)
                    {
                        // What was under way when the connection broke is lost: begin again behind what came.
                        lost = delivery.ConsumerSequence != expected++;
                        if (lost)
                            break;
                        (any, stuck) = (true, 0);
                        range = range with { Sequence = delivery.Sequence + 1, StoredSince = null };
                        yield return delivery;
                        if (delivery.Pending == 0)
                            yield break;
                    }
                    lost |= life.IsCancellationRequested;
                }
                if (!lost && await client.FindConsumerAsync(stream, consumer.Info.Name, ct) is { NumPending: 0 } info && info.Delivered.ConsumerSeq < expected)
                    yield break;
            }
            finally
            {
                await CloseAsync(client, consumer);
            }
        }
        throw new NatsAwayException($"stream {stream} cannot be read to its end: deliveries keep getting lost");
    }

    /// <summary>
    /// The messages from a place on, and whatever is stored later. Resumes behind the last one after NATS was down; a stream
    /// that was made again is read from its beginning.
    /// </summary>
    /// <remarks>In place of NATS.Net's ordered consumer (3.3.2), which retries for ever when the server denies it its consumer.</remarks>
    /// <exception cref="NatsException">There is no such stream, or this user may not read it.</exception>
    public static async IAsyncEnumerable<Delivery> FollowAsync(
        JetStreamClient client, string stream, ReadFrom range, [EnumeratorCancellation] CancellationToken ct)
    {
        for (var first = true; ; first = false)
        {
            // What fails at once fails for ever; later it may be a restart.
            var consumer = await (first ? OpenAsync(client, stream, range, ct) : OpenWhenThereAsync(client, stream, range, ct));
            try
            {
                range = range with { Sequence = consumer.Info.Delivered.StreamSeq + 1, StoredSince = null, OnlyNew = false };
                using var round = CancellationTokenSource.CreateLinkedTokenSource(client.Life, ct);
                var options = new NatsJSConsumeOpts
                {
                    MaxMsgs = range.Batch,
                    Expires = Expires,
                    IdleHeartbeat = Idle,
                    NotificationHandler = (_, _) => round.CancelAsync(),   // the server says nothing, or nothing good: begin again
                };
                var expected = 1UL;
                await foreach (var message in consumer.ConsumeAsync<byte[]>(opts: options, cancellationToken: round.Token))
                {
                    var delivery = await Delivery.TakeAsync(client, message, ct);
                    if (delivery.ConsumerSequence != expected++)
                        break;
                    range = range with { Sequence = delivery.Sequence + 1 };
                    yield return delivery;
                }
            }
            finally
            {
                await CloseAsync(client, consumer);
            }
            await Task.Delay(RetryDelay, ct);
        }
    }

    /// <summary>The message at a sequence; null when there is none.</summary>
    public static async Task<Delivery?> FindAsync(JetStreamClient client, string stream, ulong sequence, CancellationToken ct)
    {
        await foreach (var message in ReadToEndAsync(client, stream, new() { Sequence = sequence, Batch = 1 }, ct))
            return message.Sequence == sequence ? message : null;
        return null;
    }

    private static async Task<INatsJSConsumer> OpenWhenThereAsync(JetStreamClient client, string stream, ReadFrom range, CancellationToken ct)
    {
        while (true)
        {
            await client.WaitUntilOpenAsync(ct);
            try
            {
                if (await client.FindStreamAsync(stream, ct) is { } found && found.State.LastSeq + 1 < range.Sequence)
                    range = range with { Sequence = 1 };
                return await OpenAsync(client, stream, range, ct);
            }
            catch (NatsException e) when (e.IsTransient())
            {
                await Task.Delay(RetryDelay, ct);   // the server does not say when to ask again
            }
        }
    }

    private static Task<INatsJSConsumer> OpenAsync(JetStreamClient client, string stream, ReadFrom range, CancellationToken ct) =>
        client.CallAsync(
            async c => await client.Context.CreateOrUpdateConsumerAsync(stream, new ConsumerConfig
            {
                Name = $"read-{Guid.NewGuid():N}",
                FilterSubject = range.Subject,
                HeadersOnly = range.HeadersOnly,
                DeliverPolicy = range.OnlyNew ? ConsumerConfigDeliverPolicy.New
                    : range.StoredSince is null ? ConsumerConfigDeliverPolicy.ByStartSequence : ConsumerConfigDeliverPolicy.ByStartTime,
                OptStartSeq = range.OnlyNew || range.StoredSince is not null ? 0 : Math.Max(1, range.Sequence),
                OptStartTime = range.StoredSince ?? default,
                AckPolicy = ConsumerConfigAckPolicy.None,
                MemStorage = true,
                InactiveThreshold = TimeSpan.FromMinutes(1),
                NumReplicas = 1,
            }, c),
            ["CONSUMER", "CREATE", stream], ct);

    private static async Task CloseAsync(JetStreamClient client, INatsJSConsumer consumer)
    {
        try
        {
            await client.CallAsync(async c => await client.Context.DeleteConsumerAsync(consumer.Info.StreamName, consumer.Info.Name, c), ["CONSUMER", "DELETE", consumer.Info.Name], CancellationToken.None);
        }
        catch (NatsException)
        {
            // The server forgets it when nobody reads it.
        }
    }

    // NATS.Net 3.3.2 ends a fetch with a question to the server, and waits for an unreachable one (NatsSubBase.DrainCoreAsync):
    // such a fetch is left behind.
    private sealed class Batch(JetStreamClient client, INatsJSConsumer consumer, int size, CancellationToken life, CancellationToken end) : IAsyncDisposable
    {
        private readonly IAsyncEnumerator<INatsJSMsg<byte[]>> _messages =
            consumer.FetchNoWaitAsync<byte[]>(new() { MaxMsgs = size, Expires = 5 * Idle, IdleHeartbeat = Idle }, cancellationToken: end).GetAsyncEnumerator(CancellationToken.None);

        private Task<bool> _next = Task.FromResult(true);

        /// <summary>Null at the end of the batch, and when the connection breaks.</summary>
        public async ValueTask<Delivery?> NextAsync()
        {
            _next = _messages.MoveNextAsync().AsTask();
            if (!_next.IsCompleted)
                await ((Task)_next).WaitAsync(life).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            return _next is { IsCompleted: true, IsCanceled: false } && await _next ? await Delivery.TakeAsync(client, _messages.Current, end) : null;
        }

        public async ValueTask DisposeAsync()
        {
            if (_next.IsCompleted)
                await _messages.DisposeAsync().AsTask().WaitAsync(life).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
