using NATS.Client.Core;

namespace Watchword.Events.JetStream;

/// <summary>The server forbids this user a subject. Names the subject.</summary>
public sealed class NatsDeniedException(string message, Exception? cause = null) : NatsException(message, cause!);
