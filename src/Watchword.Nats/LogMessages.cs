using Microsoft.Extensions.Logging;

namespace Watchword.Nats;

/// <summary>Everything that this client logs. Event ids are stable: alerts are built on them.</summary>
internal static partial class LogMessages
{
    [LoggerMessage(4000, LogLevel.Information, "NATS: connected to {Server} ({Name} {Version}), reconnects so far {Reconnects}")]
    public static partial void Connected(this ILogger log, ServerAddress server, string name, string version, long reconnects);

    [LoggerMessage(4001, LogLevel.Warning, "NATS: connection lost: {Reason}")]
    public static partial void Disconnected(this ILogger log, string reason);

    [LoggerMessage(4002, LogLevel.Warning, "NATS: attempt {Attempt} to connect failed: {Reason}")]
    public static partial void ConnectFailed(this ILogger log, int attempt, string reason);

    [LoggerMessage(4003, LogLevel.Warning, "NATS: {Server} reports {Kind}: {Text}")]
    public static partial void ServerError(this ILogger log, ServerAddress server, ServerErrorKind kind, string text);

    [LoggerMessage(4004, LogLevel.Warning, "NATS: {Server} is about to stop (lame duck mode)")]
    public static partial void LameDuck(this ILogger log, ServerAddress server);

    [LoggerMessage(4005, LogLevel.Warning, "NATS: the reader of '{Subject}' is too slow for its {Capacity} places; {Dropped} messages dropped so far")]
    public static partial void SlowConsumer(this ILogger log, string subject, int capacity, long dropped);

    [LoggerMessage(4006, LogLevel.Error, "NATS: a StateChanged handler failed")]
    public static partial void HandlerFailed(this ILogger log, Exception exception);

    [LoggerMessage(4007, LogLevel.Error, "NATS: an unexpected error ended the connection to {Server}")]
    public static partial void SessionFailed(this ILogger log, ServerAddress server, Exception exception);

    [LoggerMessage(4008, LogLevel.Critical, "NATS: the connection has failed for good")]
    public static partial void SupervisorFailed(this ILogger log, Exception exception);

    [LoggerMessage(4009, LogLevel.Critical, "NATS: closed for good: {Reason}")]
    public static partial void Stopped(this ILogger log, string reason);

    [LoggerMessage(4100, LogLevel.Warning, "JetStream: no heartbeat for consumer {Stream}/{Consumer} within {Limit}; pulling again")]
    public static partial void HeartbeatsMissed(this ILogger log, string stream, string consumer, TimeSpan limit);

    [LoggerMessage(4101, LogLevel.Warning, "JetStream: a pull of consumer {Stream}/{Consumer} was refused ({Code} {Text}); trying again in {Delay}")]
    public static partial void PullRefused(this ILogger log, string stream, string consumer, int code, string text, TimeSpan delay);

    [LoggerMessage(4102, LogLevel.Error, "JetStream: consumer {Stream}/{Consumer} ended: {Reason}")]
    public static partial void ConsumerEnded(this ILogger log, string stream, string consumer, string reason);

    [LoggerMessage(4103, LogLevel.Warning, "JetStream: a message on '{Subject}' carries no JetStream reply subject and is passed over")]
    public static partial void NotJetStream(this ILogger log, string subject);

    [LoggerMessage(4110, LogLevel.Information, "JetStream: the ordered reader of {Stream} begins again behind {Sequence}: {Reason}")]
    public static partial void OrderedRestarted(this ILogger log, string stream, ulong sequence, string reason);

    [LoggerMessage(4111, LogLevel.Warning, "JetStream: stream {Stream} has gone back from {Read} to {Last}; the ordered reader may miss what was published in between")]
    public static partial void StreamWentBack(this ILogger log, string stream, ulong read, ulong last);
}
