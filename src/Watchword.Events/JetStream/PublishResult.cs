using NATS.Client.Core;

namespace Watchword.Events.JetStream;

/// <summary>What became of one message that a <see cref="PublishWindow"/> accepted.</summary>
/// <param name="Tag">What the caller gave with the message.</param>
/// <param name="Sequence">Its sequence in the stream; 0 when there is an error.</param>
/// <param name="Error">Why there is no ack; null when there is one. After a time-out or a drop the message may be stored all the same.</param>
internal readonly record struct PublishResult(long Tag, ulong Sequence, NatsException? Error);
