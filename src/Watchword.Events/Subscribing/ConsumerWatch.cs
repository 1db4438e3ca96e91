using NATS.Client.Core;
using Watchword.Events.JetStream;

namespace Watchword.Events.Subscribing;

/// <summary>Sees that a durable consumer is gone, with its stream or alone: a reader whose server came back without it waits for what nobody will send.</summary>
internal static class ConsumerWatch
{
    private static readonly TimeSpan Poll = TimeSpan.FromSeconds(30);
    private static readonly TimeSpan RetryDelay = TimeSpan.FromMilliseconds(250);

    /// <summary>Looks after each reconnect, and now and then. Ends when it is gone.</summary>
    /// <exception cref="JetStreamApiException">404: it is gone.</exception>
    public static async Task RunAsync(JetStream jetStream, string stream, string consumer, CancellationToken ct)
    {
        var opened = new Signal();
        void OnStateChanged(NatsConnectionState state)
        {
            if (state == NatsConnectionState.Open)
                opened.Pulse();
        }

        jetStream.Connection.StateChanged += OnStateChanged;
        try
        {
            while (true)
            {
                await opened.WaitAsync(Poll, ct);
                while (!await ExistsAsync(jetStream, stream, consumer, ct))
                    await Task.Delay(RetryDelay, ct);
            }
        }
        finally
        {
            jetStream.Connection.StateChanged -= OnStateChanged;
        }
    }

    // False when the server does not say.
    private static async Task<bool> ExistsAsync(JetStream jetStream, string stream, string consumer, CancellationToken ct)
    {
        try
        {
            return await jetStream.FindConsumerAsync(stream, consumer, ct) is not null ? true
                : throw new JetStreamApiException(404, 10014, $"consumer {stream}/{consumer} is gone and will be made again");
        }
        catch (NatsException e) when (e.IsTransient)
        {
            return false;
        }
    }
}
