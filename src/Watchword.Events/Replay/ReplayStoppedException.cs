namespace Watchword.Events.Replay;

/// <summary>A replay to a subject came to an end on the way: by its target, the connection, what it reads from, or who asked for it.</summary>
/// <param name="cause">Why.</param>
/// <param name="next">Everything before this sequence is there.</param>
public sealed class ReplayStoppedException(Exception cause, ulong next)
    : Exception($"The replay stopped{(cause is OperationCanceledException ? "" : $": {cause.Message.TrimEnd('.')}")}. Go on from sequence {next}: all before it are there.", cause)
{
    /// <summary>The sequence to go on from.</summary>
    public ulong Next { get; } = next;
}
