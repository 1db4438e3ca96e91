using NATS.Client.JetStream;
using Watchword.Events.Contracts;
using Watchword.Events.JetStream;

namespace Watchword.Bench;

/// <summary>Removes what earlier rounds left in JetStream.</summary>
internal static class StreamCleaning
{
    /// <summary>Deletes Watchword's streams.</summary>
    public static async Task DeleteStreamsAsync(this JetStreamClient nats, CancellationToken ct)
    {
        foreach (var stream in Streams.All)
            await nats.DeleteStreamAsync(stream.Name!, ct);
    }

    /// <summary>Deletes a stream, if it exists.</summary>
    public static Task DeleteStreamAsync(this JetStreamClient nats, string stream, CancellationToken ct) =>
        IfThereAsync(nats.Context.DeleteStreamAsync(stream, ct));

    /// <summary>Deletes a consumer, if it exists.</summary>
    public static Task DeleteConsumerAsync(this JetStreamClient nats, string stream, string consumer, CancellationToken ct) =>
        IfThereAsync(nats.Context.DeleteConsumerAsync(stream, consumer, ct));

    private static async Task IfThereAsync(ValueTask<bool> deletion)
    {
        try
        {
            await deletion;
        }
        catch (NatsJSApiException e) when (e.Error.Code == 404)
        {
            // It is gone already.
        }
    }
}
