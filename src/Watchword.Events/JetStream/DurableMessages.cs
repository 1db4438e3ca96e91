using System.Threading.Channels;
using NATS.Client.Core;
using NATS.Client.JetStream;

namespace Watchword.Events.JetStream;

/// <summary>
/// What a durable pull consumer delivers, ready to be taken in batches. The consumer's <c>MaxAckPending</c> bounds how much
/// is here at once.
/// </summary>
internal sealed class DurableMessages : IAsyncDisposable
{
    // A server that says nothing for twice as long is asked again.
    private static readonly TimeSpan Heartbeat = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Expires = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan WatchPoll = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan WatchRetry = TimeSpan.FromMilliseconds(250);

    private readonly JetStreamClient _client;
    private readonly INatsJSConsumer _consumer;
    private readonly NatsJSConsumeOpts _options;
    private readonly Channel<Delivery> _messages = Channel.CreateUnbounded<Delivery>(new() { SingleReader = true, SingleWriter = true });
    private readonly CancellationTokenSource _drain = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Signal _doubt = new();
    private readonly Task _pumping;
    private readonly Task _watching;
    private volatile CancellationTokenSource _round = new();

    private DurableMessages(JetStreamClient client, INatsJSConsumer consumer, int maxMessages)
    {
        (_client, _consumer) = (client, consumer);
        _options = new()
        {
            MaxMsgs = maxMessages,
            Expires = Expires,
            IdleHeartbeat = Heartbeat,
            DrainOnCancel = true,
            NotificationHandler = (_, _) =>
            {
                _doubt.Pulse();
                return Task.CompletedTask;
            },
        };
        client.Opened += OnOpened;
        _pumping = Task.Run(PumpAsync);
        _watching = Task.Run(WatchAsync);
    }

    /// <summary>Begins to read.</summary>
    /// <param name="client">The connection.</param>
    /// <param name="stream">The stream.</param>
    /// <param name="consumer">The durable consumer, which must be there.</param>
    /// <param name="maxMessages">How many to ask the server for at once.</param>
    /// <param name="ct">Gives up.</param>
    /// <exception cref="NatsException">The consumer is not there, or NATS is unreachable.</exception>
    public static async Task<DurableMessages> OpenAsync(JetStreamClient client, string stream, string consumer, int maxMessages, CancellationToken ct) =>
        new(client, await client.CallAsync(async c => await client.Context.GetConsumerAsync(stream, consumer, c), ["CONSUMER", "INFO", stream, consumer], ct), maxMessages);

    /// <summary>The messages. Reading fails when the consumer was deleted.</summary>
    public ChannelReader<Delivery> Reader => _messages.Reader;

    /// <summary>Asks for nothing more. What is on its way still comes; then <see cref="Reader"/> completes.</summary>
    public void Drain() => _drain.Cancel();

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _client.Opened -= OnOpened;
        await _drain.CancelAsync();
        await _stop.CancelAsync();
        // NATS.Net 3.3.2 asks the server at the end, and waits where it is unreachable (NatsSubBase.DrainCoreAsync).
        await Task.WhenAll(_pumping, _watching).WaitAsync(_client.Life).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _messages.Writer.TryComplete();
        _drain.Dispose();
        _stop.Dispose();
    }

    // NATS.Net 3.3.2 asks again after a reconnect only when the heartbeat is overdue (NatsJSConsume.WriteReconnectCommandsAsync):
    // a new round asks at once.
    private void OnOpened()
    {
        _doubt.Pulse();
        try
        {
            _round.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // That round is over, and the next asks by itself.
        }
    }

    private async Task PumpAsync()
    {
        try
        {
            while (!_drain.IsCancellationRequested)
            {
                using var round = CancellationTokenSource.CreateLinkedTokenSource(_drain.Token);
                _round = round;
                await foreach (var message in _consumer.ConsumeAsync<byte[]>(opts: _options, cancellationToken: round.Token))
                    _messages.Writer.TryWrite(await Delivery.TakeAsync(_client, message, round.Token));
            }
            _messages.Writer.TryComplete();
        }
        catch (NatsJSProtocolException e) when (e.HeaderCode == 409)
        {
            _messages.Writer.TryComplete(new NatsJSException($"consumer {_consumer.Info.Name} of stream {_consumer.Info.StreamName}: {e.HeaderMessageText}", e));
        }
        catch (Exception e)
        {
            _messages.Writer.TryComplete(e is NatsException or OperationCanceledException && !_drain.IsCancellationRequested ? e : null);
        }
    }

    // nats-server 2.9 does not tell a reader that its consumer, or the stream, was deleted.
    private async Task WatchAsync()
    {
        var (stream, name) = (_consumer.Info.StreamName, _consumer.Info.Name);
        try
        {
            do
                await _doubt.WaitAsync(WatchPoll, _stop.Token);
            while (await IsThereAsync(stream, name));
            End(new NatsJSException($"consumer {name} of stream {stream} was deleted"));
        }
        catch (NatsException e)
        {
            End(e);
        }
        catch (OperationCanceledException)
        {
            // Disposed.
        }

        void End(NatsException reason)
        {
            _messages.Writer.TryComplete(reason);
            _drain.Cancel();
        }
    }

    private async Task<bool> IsThereAsync(string stream, string name)
    {
        while (true)
        {
            try
            {
                return await _client.FindConsumerAsync(stream, name, _stop.Token) is not null;
            }
            catch (NatsException e) when (e.IsTransient())
            {
                await Task.Delay(WatchRetry, _stop.Token);   // the server does not say
            }
        }
    }
}
