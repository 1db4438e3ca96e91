using NATS.Client.Core;

namespace Watchword.Events.JetStream;

/// <summary>NATS is unreachable: nothing was sent, or nobody can tell whether it arrived.</summary>
public sealed class NatsAwayException(string message, Exception? cause = null) : NatsException(message, cause!);
