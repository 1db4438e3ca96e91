using NATS.Client.Core;
using Watchword.Events.JetStream;

namespace Watchword.Events.Replay;

/// <summary>A replay to a subject ended early: its target, the connection or its source failed, or the caller stopped it.</summary>
public sealed class ReplayStoppedException : Exception
{
    /// <summary>Says why it stopped and where to continue: after an event that is too large, since that will not change.</summary>
    /// <param name="cause">Why it stopped.</param>
    /// <param name="missing">The first event that was not published; all before it were.</param>
    public ReplayStoppedException(Exception cause, ulong missing)
        : base(Words(cause, missing), cause) => Next = IsTooLarge(cause) ? missing + 1 : missing;

    /// <summary>The sequence to continue from.</summary>
    public ulong Next { get; }

    private static string Words(Exception cause, ulong missing)
    {
        ArgumentNullException.ThrowIfNull(cause);
        var why = cause.Message.TrimEnd('.');
        return cause switch
        {
            OperationCanceledException => $"The replay stopped. Continue from sequence {missing}: all events before it were published.",
            _ when IsTooLarge(cause) => $"The replay stopped: event {missing} is too large to be published with the replay's headers: {why}. Continue from sequence {missing + 1} to leave it out: all events before it were published.",
            _ => $"The replay stopped: {why}. Continue from sequence {missing}: all events before it were published.",
        };
    }

    private static bool IsTooLarge(Exception cause) => cause is NatsException nats && nats.IsTooLarge();
}
