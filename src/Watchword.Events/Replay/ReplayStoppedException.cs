using NATS.Client.Core;
using Watchword.Events.JetStream;

namespace Watchword.Events.Replay;

/// <summary>A replay to a subject came to an end on the way: by its target, the connection, what it reads from, or who asked for it.</summary>
public sealed class ReplayStoppedException : Exception
{
    /// <summary>Says why, and where to go on: behind an event that will be too large the next time too.</summary>
    /// <param name="cause">Why.</param>
    /// <param name="missing">The first event that is not there; everything before it is.</param>
    public ReplayStoppedException(Exception cause, ulong missing)
        : base(Words(cause, missing), cause) => Next = IsTooLarge(cause) ? missing + 1 : missing;

    /// <summary>The sequence to go on from.</summary>
    public ulong Next { get; }

    private static string Words(Exception cause, ulong missing)
    {
        ArgumentNullException.ThrowIfNull(cause);
        var why = cause.Message.TrimEnd('.');
        return cause switch
        {
            OperationCanceledException => $"The replay stopped. Go on from sequence {missing}: all before it are there.",
            _ when IsTooLarge(cause) => $"The replay stopped: event {missing} is too large to be published with the replay's headers: {why}. Go on from sequence {missing + 1} to leave it out: all before it are there.",
            _ => $"The replay stopped: {why}. Go on from sequence {missing}: all before it are there.",
        };
    }

    private static bool IsTooLarge(Exception cause) => cause is NatsException nats && nats.IsTooLarge();
}
