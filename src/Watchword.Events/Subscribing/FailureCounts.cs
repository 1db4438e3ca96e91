using NATS.Client.Core;
using Watchword.Events.JetStream;

namespace Watchword.Events.Subscribing;

/// <summary>
/// How often events failed in this process. The server's count of deliveries is no measure of it: what was only in hand
/// when a process stopped was delivered too.
/// </summary>
internal sealed class FailureCounts
{
    private const int Remembered = 10_000;   // others stay behind of what went to another process

    private readonly Lock _gate = new();
    private readonly Dictionary<(string, ulong, DateTimeOffset), int> _counts = [];
    private readonly Queue<(string, ulong, DateTimeOffset)> _inOrder = [];

    /// <summary>One more; how many it makes.</summary>
    public int Add(JetStreamMessage message)
    {
        var place = (message.Stream, message.StreamSequence, message.Timestamp);
        lock (_gate)
        {
            var count = _counts[place] = _counts.GetValueOrDefault(place) + 1;
            if (count == 1)
                _inOrder.Enqueue(place);
            if (_inOrder.Count > Remembered)
                _counts.Remove(_inOrder.Dequeue());
            return count;
        }
    }
}
