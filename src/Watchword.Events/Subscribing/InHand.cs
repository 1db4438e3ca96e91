using Watchword.Events.JetStream;

namespace Watchword.Events.Subscribing;

/// <summary>The messages of one stream that this process has taken and not answered, and the last that it answered.</summary>
/// <param name="maxInFlight">How many can be in hand at once. As many acks may be lost together.</param>
internal sealed class InHand(int maxInFlight)
{
    private const int Remembered = 10_000;

    // By sequence and time: a stream that was wiped, or restored from a backup, gives its sequences to other messages.
    private readonly Lock _gate = new();
    private readonly Dictionary<(ulong, DateTimeOffset), Delivery> _taken = [];
    private readonly HashSet<(ulong, DateTimeOffset)> _done = [];
    private readonly Queue<(ulong, DateTimeOffset)> _doneInOrder = [];
    private long _left;

    /// <summary>Whether the message is new: neither in hand nor answered lately.</summary>
    /// <param name="message">The message.</param>
    /// <param name="done">Whether it was answered, and the answer was lost.</param>
    public bool TryTake(Delivery message, out bool done)
    {
        lock (_gate)
        {
            done = message.Deliveries > 1 && _done.Contains(PlaceOf(message));
            return !done && _taken.TryAdd(PlaceOf(message), message);
        }
    }

    /// <summary>How many are in hand, and how many were and no longer are, at one moment.</summary>
    public (int Taken, long Left) Count()
    {
        lock (_gate)
            return (_taken.Count, _left);
    }

    /// <summary>The message was answered for good.</summary>
    public void Done(Delivery message)
    {
        lock (_gate)
        {
            if (!_taken.Remove(PlaceOf(message)))
                return;
            _left++;
            if (!_done.Add(PlaceOf(message)))
                return;
            _doneInOrder.Enqueue(PlaceOf(message));
            if (_doneInOrder.Count > Math.Max(Remembered, maxInFlight))
                _done.Remove(_doneInOrder.Dequeue());
        }
    }

    /// <summary>Gives back everything that was not answered, in order: the next process gets it at once.</summary>
    public async Task ReturnAllAsync()
    {
        Delivery[] all;
        lock (_gate)
        {
            all = [.. _taken.Values.OrderBy(m => m.Sequence)];
            _taken.Clear();
            _left += all.Length;
        }
        foreach (var message in all)
            await message.NakAsync();
    }

    /// <summary>Tells the server that work on all of them goes on.</summary>
    public async Task TouchAsync()
    {
        Delivery[] all;
        lock (_gate)
            all = [.. _taken.Values];
        foreach (var message in all)
            await message.InProgressAsync();
    }

    private static (ulong, DateTimeOffset) PlaceOf(Delivery message) => (message.Sequence, message.StoredAt);
}
