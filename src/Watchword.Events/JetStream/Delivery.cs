using System.Diagnostics;
using NATS.Client.Core;
using NATS.Client.JetStream;

namespace Watchword.Events.JetStream;

/// <summary>
/// A message that a consumer delivered, with its place in the stream read once. Answers are sent at once and never wait: where
/// NATS is unreachable the answer is lost, and the message comes again.
/// </summary>
public sealed class Delivery
{
    private readonly INatsJSMsg<byte[]> _message;

    private Delivery(INatsJSMsg<byte[]> message, byte[]? content)
    {
        _message = message;
        var metadata = message.Metadata ?? throw new NatsJSException($"a message on {message.Subject} has no JetStream metadata");
        (Stream, Sequence, StoredAt) = (metadata.Stream, metadata.Sequence.Stream, metadata.Timestamp);
        (ConsumerSequence, Deliveries, Pending) = (metadata.Sequence.Consumer, (int)metadata.NumDelivered, metadata.NumPending);
        Payload = content ?? [];
    }

    /// <summary>Takes a message that a consumer delivered.</summary>
    /// <remarks>
    /// NATS.Net 3.3.2 drops the content of a message whose headers it cannot parse (<c>NatsMsg.BuildInternal</c>). The stream
    /// still has it, for users who may ask for single messages.
    /// </remarks>
    /// <exception cref="NatsException">The message came from no consumer, or its content cannot be read now.</exception>
    internal static async ValueTask<Delivery> TakeAsync(JetStreamClient client, INatsJSMsg<byte[]> message, CancellationToken ct) =>
        message is { Error: not null, Metadata: { } place }
            ? new(message, await client.FindContentAsync(place.Stream, place.Sequence.Stream, ct))
            : new(message, message.Data);

    /// <summary>The stream that has it.</summary>
    public string Stream { get; }

    /// <summary>Its sequence in the stream.</summary>
    public ulong Sequence { get; }

    /// <summary>When the stream stored it.</summary>
    public DateTimeOffset StoredAt { get; }

    /// <summary>How often the server has delivered it; 1 for the first time.</summary>
    public int Deliveries { get; }

    /// <summary>How many messages the consumer has yet to deliver after it.</summary>
    public ulong Pending { get; }

    /// <summary>The subject that it was published to.</summary>
    public string Subject => _message.Subject;

    /// <summary>Null when it has none.</summary>
    public NatsHeaders? Headers => _message.Headers;

    /// <summary>The content; empty when it has none.</summary>
    public byte[] Payload { get; }

    /// <summary>Counts what the consumer has delivered: a gap means that something was lost on the way.</summary>
    internal ulong ConsumerSequence { get; }

    /// <summary>Begins the trace of handling it, as part of the trace that it carries; null when nobody listens.</summary>
    internal Activity? StartActivity() => _message.StartActivity("handle");

    /// <summary>Done with. With <c>AckPolicy.All</c>, everything before it too.</summary>
    internal ValueTask AckAsync() => AnswerAsync(() => _message.AckAsync());

    /// <summary>Not done: the server delivers it again, after <paramref name="delay"/>.</summary>
    internal ValueTask NakAsync(TimeSpan delay = default) => AnswerAsync(() => _message.NakAsync(new AckOpts { NakDelay = delay }));

    /// <summary>Still at work: the server waits for another ack wait.</summary>
    internal ValueTask InProgressAsync() => AnswerAsync(() => _message.AckProgressAsync());

    private async ValueTask AnswerAsync(Func<ValueTask> answer)
    {
        if (_message.Connection is not { ConnectionState: NatsConnectionState.Open })
            return;
        try
        {
            await answer();
        }
        catch (Exception e) when (e is NatsException or OperationCanceledException or ObjectDisposedException)
        {
            // It comes again.
        }
    }
}
