using NATS.Client.Core;

namespace Watchword.Events.Outbox;

/// <summary>The stream was deleted: the relay starts again, and creates it.</summary>
internal sealed class StreamGoneException(string stream) : NatsException($"stream {stream} was deleted");
