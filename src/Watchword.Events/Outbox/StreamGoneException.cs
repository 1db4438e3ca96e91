using NATS.Client.Core;

namespace Watchword.Events.Outbox;

/// <summary>The stream has disappeared: the relay starts again, and makes it.</summary>
internal sealed class StreamGoneException(string stream) : NatsException($"stream {stream} is gone");
