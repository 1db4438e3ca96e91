using System.Diagnostics;
using Watchword.Events.JetStream;
using Watchword.Events.Subscribing;

namespace Watchword.UserSync;

/// <summary>
/// Acknowledges a whole batch with one message (<c>AckPolicy.All</c>), which also acknowledges everything before it. A
/// delivery that was lost with a connection must not be acknowledged that way: until every unacknowledged event has come
/// again, nothing is.
/// </summary>
/// <remarks>The consumer numbers its deliveries, so a lost one shows as a gap.</remarks>
internal sealed class BatchAcks(Durable durable, JetStreamClient jetStream)
{
    // An event that was deleted from the stream (an erased person's) never comes again.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(1);

    private readonly HashSet<ulong> _returned = [];
    private long _askedAt;
    private long _connection = -1;
    private ulong _known;       // number of the last delivery when the server was asked
    private ulong _last;        // number of the last delivery since, without a gap
    private ulong _owedUpTo;    // sequences up to here were delivered by then
    private int _owed;          // so many of them were unacknowledged
    private Delivery? _highest; // of everything that was committed

    /// <summary>The events of a batch are committed: acknowledges them, unless an earlier event has not come yet.</summary>
    public async Task CommittedAsync(IEnumerable<Delivery> batch, CancellationToken ct)
    {
        var isWhole = _connection == jetStream.OpenedTotal;
        foreach (var message in batch)
        {
            // At most the number that the server knew: only what is owed, or the server has lost its count.
            isWhole &= message.ConsumerSequence > _known ? message.ConsumerSequence == ++_last : _owed > 0;
            if (_owed > 0 && message.Sequence <= _owedUpTo)
                _returned.Add(message.Sequence);
            if (_highest is null || message.Sequence > _highest.Sequence)
                _highest = message;
        }
        if (!isWhole || (_owed > _returned.Count && Stopwatch.GetElapsedTime(_askedAt) > Patience))
        {
            await AskAsync(ct);
            return;
        }
        if (_owed > _returned.Count)
            return;
        if (_owed > 0)
            await durable.RestoreAckWaitAsync(ct);
        _owed = 0;
        _returned.Clear();
        if (_highest is not null)
            await _highest.AckAsync();
        _highest = null;
    }

    /// <summary>Asks the server what is unacknowledged: that has to come again first, and a short ack wait speeds it up.</summary>
    public async Task AskAsync(CancellationToken ct)
    {
        (_connection, _askedAt) = (jetStream.OpenedTotal, Stopwatch.GetTimestamp());
        _returned.Clear();
        _highest = null;
        if (await durable.FindAsync(ct) is not { } consumer)
            return;
        (_known, _last) = (consumer.Delivered.ConsumerSeq, consumer.Delivered.ConsumerSeq);
        (_owedUpTo, _owed) = (consumer.Delivered.StreamSeq, consumer.NumAckPending);
        if (_owed > 0)
            await durable.ShortenAckWaitAsync(ct);
    }
}
